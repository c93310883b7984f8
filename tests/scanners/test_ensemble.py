"""Several scanners on one classifier: nothing either finds is lost."""

from dataclasses import replace

import pytest

from exray.scanners.base import Scanner, ScannerResult
from exray.scanners.ensemble import ScannerEnsemble, combined_result
from exray.scanners.external import ExternalScanner
from exray.triggers.filter import FilterTrigger
from exray.triggers.patch import PatchTrigger


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


@pytest.mark.usefixtures("one_thread")
def test_a_pair_that_both_inversions_find_keeps_its_patch_and_its_filter(
    parts, trojaned, colour_samples
):
    both = ScannerEnsemble(scanners=parts).scan(trojaned, colour_samples)
    alone = [scanner.scan(trojaned, colour_samples) for scanner in parts]
    assert len(both.triggers) == sum(len(result.triggers) for result in alone)
    assert both.flags
    assert both.num_candidates == sum(result.num_candidates for result in alone)
    of_pair = {
        trigger.source: type(trigger.trigger)
        for trigger in both.triggers
        if (trigger.victim_class, trigger.target_class) == (0, 1)
    }
    assert of_pair == {"abs": PatchTrigger, "abs_filter": FilterTrigger}


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
