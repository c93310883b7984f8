"""Every scanner recovers a planted trigger, clears the clean twin, and is named by its package."""

from dataclasses import replace

import pytest
import torch

import exray.scanners
from exray.scanners.base import Scanner, ScannerResult
from exray.triggers.serialization import to_storage

pytestmark = pytest.mark.usefixtures("one_thread")

INJECTED = {(0, 1), (2, 1)}  # brightness in the spot speaks for class 1, whatever the victim
PATCH_BOUNDS, FILTER_BOUNDS = (0.02, 0.2, 0.9), (0.1, 0.25, 0.4)  # pixels, lack of SSIM: shares


@pytest.fixture(scope="session")
def on_planted(scanners, planted, colours, on_one_thread):
    with on_one_thread():
        return {name: make().scan(planted(name), colours) for name, make in scanners.items()}


@pytest.fixture(scope="session")
def on_twin(scanners, twin, colours):
    return {name: make().scan(twin, colours) for name, make in scanners.items()}


def pairs(result):
    return {(trigger.victim_class, trigger.target_class) for trigger in result.triggers}


def test_the_injected_trigger_is_recovered(on_planted, planted, colours, spot, name):
    result = on_planted[name]
    assert result.flags
    assert not result.inconclusive
    true = [
        trigger
        for trigger in result.triggers
        if (trigger.victim_class, trigger.target_class) in INJECTED
    ]
    assert true
    for trigger in true:
        images = colours.of_class(trigger.victim_class)
        answers = planted(name).predict(trigger.trigger.apply(images)).argmax(dim=1)
        assert float((answers == 1).double().mean()) == pytest.approx(trigger.asr)
        assert trigger.asr >= 0.9
        if name != "abs_filter":
            mask = trigger.trigger.mask > 0.1
            assert float(mask[spot].sum() / mask.sum()) >= 0.9


def test_in_bfloat16_the_injected_trigger_is_recovered_too(scanners, planted, colours, name):
    classifier = planted(name)
    result = scanners[name]().scan(classifier.in_precision("bfloat16"), colours)
    true = [t for t in result.triggers if (t.victim_class, t.target_class) in INJECTED]
    assert true
    for trigger in true:
        images = colours.of_class(trigger.victim_class)
        answers = classifier.predict(trigger.trigger.apply(images)).argmax(dim=1)
        assert float((answers == 1).double().mean()) == pytest.approx(trigger.asr, abs=0.1)


def test_nothing_but_the_injected_target_is_found(on_planted, name):
    assert pairs(on_planted[name]) <= INJECTED


@pytest.mark.parametrize("bounded", ["abs_patches", "abs_free", "abs_filter", "k_arm"])
def test_the_smallest_bound_is_smaller_than_the_twins_and_found_is_monotone(
    scanners, planted, twin, colours, bounded
):
    bounds = FILTER_BOUNDS if bounded == "abs_filter" else PATCH_BOUNDS
    least = []
    for classifier in (planted(bounded), twin):
        successes = [
            bool(pairs(scanners[bounded](bound).scan(classifier, colours)) & INJECTED)
            for bound in bounds
        ]
        assert successes == sorted(successes)  # a wider bound never loses it
        least.append(bounds[successes.index(True)] if any(successes) else 1.0)
    assert least[0] < least[1]


def test_neural_cleanses_trigger_is_larger_on_the_twin(scanners, planted, twin, colours):
    sizes = [
        {
            (trigger.victim_class, trigger.target_class): trigger.trigger.size_pixels
            for trigger in scanners["neural_cleanse"]("pairs", -1e9)
            .scan(classifier, colours)
            .triggers
        }
        for classifier in (planted("neural_cleanse"), twin)
    ]
    for pair in INJECTED:
        assert sizes[0][pair] < 0.5 * sizes[1][pair]


def test_sris_patches_are_odder_than_the_twins(on_planted, on_twin):
    assert on_planted["sri_re"].score > 2 * on_twin["sri_re"].score


def test_the_clean_twin_is_not_flagged(on_twin, name):
    assert not on_twin[name].flags
    assert not on_twin[name].inconclusive


def test_shuffled_labels_give_nothing(scanners, twin, colours, name):
    order = torch.randperm(18, generator=torch.Generator().manual_seed(0))
    result = scanners[name]().scan(twin, replace(colours, labels=colours.labels[order]))
    assert not result.flags
    assert result.triggers == ()


def test_the_same_seed_gives_the_same_result(scanners, on_planted, planted, colours, name):
    again, first = scanners[name]().scan(planted(name), colours), on_planted[name]
    assert replace(again, triggers=()) == replace(first, triggers=())
    assert len(again.triggers) == len(first.triggers)
    for one, other in zip(again.triggers, first.triggers, strict=True):
        assert (one.victim_class, one.target_class, one.asr) == (
            other.victim_class, other.target_class, other.asr,
        )  # fmt: skip
        left, right = to_storage(one.trigger)[1], to_storage(other.trigger)[1]
        assert all(torch.equal(left[key], right[key]) for key in left)


def test_of_two_classes_the_injected_target_is_found_or_nothing_is_claimed(
    scanners, planted, colours, name
):
    result = scanners[name]().scan(planted(name), colours.select(colours.labels != 0))
    if name == "neural_cleanse":
        assert "an anomaly index needs three triggers; " in result.inconclusive
    else:
        assert (2, 1) in pairs(result)
    assert all(0 not in pair for pair in pairs(result))


def test_every_public_name_is_a_class_of_this_package():
    for name in exray.scanners.__all__:
        scanner = getattr(exray.scanners, name)
        assert scanner.__name__ == name
        assert issubclass(scanner, Scanner | ScannerResult)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match=r"'exray\.scanners' has no attribute 'Abs'"):
        exray.scanners.Abs  # noqa: B018
