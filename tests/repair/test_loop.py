"""Scan, unlearn, scan: when it ends, what it gives back, and what it refuses."""

from dataclasses import replace

import pytest
import torch

from exray.repair.loop import NothingToRepairError, repair_in_rounds
from exray.rules.verdict import Verdict
from exray.triggers.paired import PairedTrigger

pytestmark = pytest.mark.usefixtures("one_thread")


def blind(classifier):
    """The classifier with a network that says the first class of everything."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 3))
    network[1].weight.data.zero_()
    network[1].bias.data = torch.tensor([1.0, 0.0, 0.0])
    return classifier.around(network)


@pytest.fixture
def repaired(trojaned, colour_samples, honest_scan):
    """Repairs the planted classifier by a method."""

    def repair(method, settings, scan=honest_scan, classifier=trojaned):
        return repair_in_rounds(classifier, colour_samples, method, settings, scan, seed=0)

    return repair


def test_a_planted_backdoor_is_found_unlearned_and_not_found_again(
    repaired, unlearning, settings, white_patch, colour_samples, asr_of
):
    result = repaired(unlearning, settings)
    assert (result.before.scan.verdict, result.after.scan.verdict) == ("trojaned", "clean")
    assert (result.before.accuracy, result.after.accuracy) == (1, 1)
    assert len(result.rounds) == 1
    assert result.unlearned == (white_patch,)
    assert not result.obstacles
    assert asr_of(result.after.classifier, white_patch, colour_samples) == 0


def test_nothing_is_learned_that_accuracy_is_measured_on(
    repaired, scripted, clean_twin, colour_samples, settings
):
    method = scripted(clean_twin)
    result = repaired(method, settings)
    (learned,) = method.learned
    contents = [
        {image.numpy().tobytes() for image in part.images}
        for part in (learned, result.images.held_out)
    ]
    assert not contents[0] & contents[1]
    assert len(contents[0]) + len(contents[1]) == len(colour_samples)


def test_rounds_go_on_while_something_is_found_and_unlearn_all_of_it(
    repaired, scripted, trojaned, clean_twin, settings, white_patch
):
    method = scripted(trojaned, trojaned, clean_twin)
    result = repaired(method, settings)
    assert [len(triggers) for triggers in method.asked] == [1, 2, 3]
    assert len(result.rounds) == 3
    assert not result.obstacles
    result = repaired(scripted(trojaned), replace(settings, rounds=1))
    assert result.unlearned == (white_patch,)
    assert result.obstacles == ("the scan still says trojaned (probability 0.90)",)


def test_a_round_that_costs_too_much_is_an_obstacle_unless_an_earlier_one_does_not(
    repaired, scripted, trojaned, settings
):
    result = repaired(scripted(blind(trojaned)), settings)
    assert result.obstacles == (
        "accuracy on held-out images fell from 1.000 to 0.333, by more than 0.1",
    )
    result = repaired(scripted(trojaned, blind(trojaned)), settings)
    assert result.after is result.rounds[0]
    assert result.obstacles == ("the scan still says trojaned (probability 0.90)",)


def test_an_inconclusive_scan_afterwards_is_an_obstacle(
    repaired, scripted, trojaned, clean_twin, settings, white_patch, scan_of
):
    def scan(classifier, samples):
        del samples
        if classifier is trojaned:
            return scan_of(Verdict.TROJANED, (white_patch, True))
        return scan_of(Verdict.INCONCLUSIVE)

    result = repaired(scripted(clean_twin), settings, scan)
    assert result.obstacles == ("the scan of the repaired classifier is inconclusive",)


@pytest.mark.parametrize(
    ("verdict", "tints", "warnings", "said"),
    [
        ("clean", 0, (), "it is clean: there is no trigger to unlearn"),
        ("natural-only", 1, (), "it is natural-only: none of its 1 .* triggers=all does so all"),
        (
            "inconclusive",
            0,
            ("inconclusive: too dark",),
            "is inconclusive, so nothing is repaired: inconclusive: too dark",
        ),
    ],
)
def test_without_a_trigger_to_unlearn_nothing_is_done(
    repaired, scripted, clean_twin, settings, green_tint, scan_of, verdict, tints, warnings, said
):
    found = scan_of(Verdict(verdict), *([(green_tint, False)] * tints), warnings=warnings)
    with pytest.raises(NothingToRepairError, match=said):
        repaired(scripted(), settings, lambda *_: found, clean_twin)


def test_natural_triggers_are_left_alone_unless_all_are_asked_for(
    repaired, scripted, trojaned, clean_twin, settings, white_patch, green_tint, scan_of
):
    def scan(classifier, samples):
        del samples
        if classifier is trojaned:
            return scan_of(Verdict.TROJANED, (white_patch, True), (green_tint, False))
        return scan_of(Verdict.CLEAN)

    method = scripted(clean_twin)
    result = repaired(method, settings, scan)
    assert method.asked == [[white_patch]]
    assert result.natural == (green_tint,)
    method = scripted(clean_twin)
    result = repaired(method, replace(settings, triggers="all"), scan)
    assert method.asked == [[white_patch, green_tint]]
    assert result.natural == ()


def test_a_trigger_that_is_known_on_its_own_images_only_cannot_be_unlearned(
    repaired, scripted, colour_samples, settings, white_patch, scan_of
):
    images = colour_samples.of_class(0)
    pairs = PairedTrigger(clean=images, stamped=white_patch.apply(images))
    found = scan_of(Verdict.TROJANED, (replace(white_patch, trigger=pairs), True))
    with pytest.raises(NothingToRepairError, match="known on their own images only"):
        repaired(scripted(), settings, lambda *_: found)


def test_the_suspect_is_unlearned_where_no_trigger_is_injected(
    repaired, scripted, clean_twin, settings, white_patch, green_tint, scan_of
):
    found = scan_of(Verdict.NATURAL_ONLY, (green_tint, False), (white_patch, False))
    tint, patch = found.triggers
    likely = replace(patch, judgement=replace(patch.judgement, score=0.4))
    found = replace(found, triggers=(tint, likely))
    method = scripted(clean_twin)
    suspect = replace(settings, triggers="suspect")
    result = repaired(method, suspect, lambda *_: found)
    assert method.asked == [[white_patch]]
    assert result.natural == (green_tint,)
    with pytest.raises(NothingToRepairError, match="it is clean: there is no trigger to unlearn"):
        repaired(scripted(), suspect, lambda *_: scan_of(Verdict.CLEAN))
