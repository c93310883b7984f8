"""Several scanners on one classifier: nothing either finds is lost."""

from dataclasses import replace

import pytest

from exray.scanners.abs import both
from exray.scanners.abs.base import stimulate
from exray.scanners.abs.both import AbsBoth
from exray.scanners.abs.filters import AbsFilterScanner
from exray.scanners.abs.patches import AbsPatchScanner, PatchSettings
from exray.scanners.abs.stimulation import StimulationSettings
from exray.scanners.base import Scanner, ScannerResult
from exray.scanners.ensemble import ScannerEnsemble, combined_result
from exray.scanners.external import ExternalScanner
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.filters import FilterSettings
from exray.scanners.inversion.initialization import ProbeSettings
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.rounds import InversionRound
from exray.triggers.filter import FilterTrigger
from exray.triggers.patch import PatchTrigger

SHARED = {
    "stimulation": StimulationSettings(
        layer="relu", images_per_class=2, levels=(0.0, 1.0), targets_per_victim=2
    ),
    "inversion": InversionSettings(learning_rate=0.1, betas=(0.9, 0.999), noise=0.0, seed=0),
    "rounds": (InversionRound(steps=25, images_per_victim=6, min_score=0.5, keep=2),),
    "stop": StopRule(good_score=1.98, patience=5, gain=0.002),
    "min_asr": 0.9,
    "triggers_per_victim": 1,
}


class Fixed(Scanner):
    """Gives the answer it was made with."""

    def __init__(self, result):
        self.result = result

    def scan(self, classifier, samples, progress=None):
        del classifier, samples, progress
        return self.result


def answer(*triggers, flags=False, score=None, inconclusive="", num_candidates=1):
    return ScannerResult(
        triggers=triggers,
        num_candidates=num_candidates,
        flags=flags,
        score=score,
        inconclusive=inconclusive,
    )


@pytest.fixture(scope="module")
def parts():
    """ABS for patches and for filters."""
    patches = AbsPatchScanner(
        probe=ProbeSettings(images=2, finalists=4, targets_per_victim=2),
        patch=PatchSettings(max_size_share=0.15, pattern="colour", neuron_weight=0.0),
        **SHARED,
    )
    filters = AbsFilterScanner(
        filter=FilterSettings(min_ssim=0.7, window_share=0.3),
        universal_rounds=(),
        **SHARED,
    )
    return patches, filters


@pytest.mark.usefixtures("one_thread")
def test_a_pair_that_both_inversions_find_keeps_its_patch_and_its_filter(
    parts, trojaned, colour_samples
):
    both = ScannerEnsemble(scanners=parts).scan(trojaned, colour_samples)
    alone = [each.scan(trojaned, colour_samples) for each in parts]
    assert len(both.triggers) == sum(len(each.triggers) for each in alone)
    assert both.flags
    assert both.num_candidates == sum(each.num_candidates for each in alone)
    of_pair = {
        each.source: type(each.trigger)
        for each in both.triggers
        if (each.victim_class, each.target_class) == (0, 1)
    }
    assert of_pair == {"abs": PatchTrigger, "abs_filter": FilterTrigger}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("levels", [(0.0, 1.0), (0.0, 0.5)])
def test_abs_both_finds_what_its_scanners_find_with_one_stimulation_if_they_agree(
    parts, trojaned, colour_samples, monkeypatch, levels
):
    patches, filters = parts
    filters = replace(filters, stimulation=replace(filters.stimulation, levels=levels))
    expected = ScannerEnsemble(scanners=[patches, filters]).scan(trojaned, colour_samples)
    stimulations = []

    def counted(*arguments):
        stimulations.append(arguments)
        return stimulate(*arguments)

    monkeypatch.setattr(both, "stimulate", counted)
    found = AbsBoth(patch=patches, filter=filters).scan(trojaned, colour_samples)
    assert len(stimulations) == (1 if levels == (0.0, 1.0) else 2)
    assert found.num_candidates == expected.num_candidates
    assert [
        (each.source, each.victim_class, each.target_class, each.asr) for each in found.triggers
    ] == [
        (each.source, each.victim_class, each.target_class, each.asr) for each in expected.triggers
    ]


def test_the_answer_without_a_judge_is_the_stronger_one(trojaned, colour_samples, white_patch):
    quiet = Fixed(answer(score=0.3, num_candidates=5))
    loud = Fixed(answer(white_patch, flags=True, score=1.0, num_candidates=2))
    for scanners in ([quiet, loud], [loud, quiet]):
        result = ScannerEnsemble(scanners=scanners).scan(trojaned, colour_samples)
        assert result == answer(white_patch, flags=True, score=1.0, num_candidates=7)


def test_scores_that_are_missing_do_not_count():
    assert combined_result([answer(score=None), answer(score=0.2)]).score == 0.2
    assert combined_result([answer(), answer()]).score is None


def test_one_inconclusive_scanner_leaves_no_silent_clean(green_tint):
    mute = answer(inconclusive="no gradient")
    assert combined_result([mute, answer(green_tint)]).inconclusive == "no gradient"
    assert combined_result([mute, mute]).inconclusive == "no gradient"
    other = answer(inconclusive="no size")
    assert combined_result([mute, other]).inconclusive == "no gradient; no size"
    assert combined_result([mute, answer(green_tint, flags=True)]).inconclusive == ""


def test_one_scanner_is_not_several():
    with pytest.raises(ValueError, match="must hold at least two; got 1"):
        ScannerEnsemble(scanners=[Fixed(answer())])


def test_a_scanner_of_files_is_refused():
    external = ExternalScanner.__new__(ExternalScanner)  # without its file
    with pytest.raises(ValueError, match="must not hold a scanner that reads files"):
        ScannerEnsemble(scanners=[Fixed(answer()), external])


def test_triggers_come_strongest_first(white_patch, green_tint):
    weaker = replace(green_tint, asr=0.95)
    assert combined_result([answer(weaker), answer(white_patch)]).triggers == (white_patch, weaker)
