"""K-Arm finds the planted backdoor, spends its steps well and always ends in an answer."""

import pytest
import torch

from exray.scanners.dynamic_cost import CostSettings
from exray.scanners.engine import EngineSettings
from exray.scanners.k_arm import ArmSettings, KArm
from exray.scanners.prescreen import likely_pairs
from exray.scanners.probe import ProbeSettings

pytestmark = pytest.mark.usefixtures("one_thread")

ARMS = {
    "prescreen_share": 0.9,
    "targets_per_victim": 2,
    "plays": 150,
    "warm_up": 5,
    "epsilon": 0.2,
    "elimination": ((10, 0.01), (20, 0.3)),
}
PARTS = {
    "name": "k_arm",
    "layer": "relu",
    "probe": ProbeSettings(images=2, finalists=4, targets_per_victim=2),
    "cost": CostSettings(asr_bar=0.99, first_cost=0.02, patience=3, up=1.5, down=1.5),
    "inversion": EngineSettings(learning_rate=0.2, betas=(0.5, 0.9), noise=0.0, seed=0),
    "images_per_step": 6,
    "max_size_share": 0.2,
    "min_ratio": None,
    "min_asr": 0.9,
}


def scan(classifier, samples, plays=150, **changes):
    arms = ArmSettings(**{**ARMS, "prescreen_share": 0.0, "plays": plays})
    return KArm(**{**PARTS, "arms": arms, **changes}).scan(classifier, samples)


def test_the_planted_target_is_found_within_the_bound(trojaned, colour_samples):
    result = scan(trojaned, colour_samples)
    assert result.flags
    assert result.score > 1
    assert {(t.victim_class, t.target_class) for t in result.triggers} == {(0, 1), (2, 1)}
    for trigger in result.triggers:
        assert trigger.asr >= 0.9
        assert 0 < trigger.trigger.size_pixels <= 0.3 * 256


def test_the_clean_twin_has_no_trigger_of_that_size(clean_twin, colour_samples):
    result = scan(clean_twin, colour_samples)
    assert not result.flags
    assert result.score < 1


def test_the_symmetric_check_keeps_the_one_way_trigger(trojaned, colour_samples):
    result = scan(trojaned, colour_samples, min_ratio=1.5)
    assert {trigger.target_class for trigger in result.triggers} == {1}
    impossible = scan(trojaned, colour_samples, plays=60, min_ratio=float("inf"))
    assert impossible.triggers == ()


def test_the_same_seed_gives_the_same_triggers(trojaned, colour_samples):
    one, other = (scan(trojaned, colour_samples, plays=60) for _ in range(2))
    assert one.score == other.score
    for a, b in zip(one.triggers, other.triggers, strict=True):
        assert torch.equal(a.trigger.mask, b.trigger.mask)


def test_no_victim_is_left_without_a_pair(clean_twin, colour_samples):
    pairs = likely_pairs(clean_twin, colour_samples, share=1.0, targets_per_victim=1)
    assert sorted(victim for victim, _ in pairs) == [0, 1, 2]
    none_often = likely_pairs(clean_twin, colour_samples, share=1.1, targets_per_victim=1)
    assert sorted(victim for victim, _ in none_often) == [0, 1, 2]


def test_classes_without_images_are_neither_victim_nor_target(trojaned, colour_samples):
    samples = colour_samples.select(colour_samples.labels != 0)
    pairs = likely_pairs(trojaned, samples, share=0.0, targets_per_victim=2)
    assert sorted(pairs) == [(1, 2), (2, 1)]


def test_images_of_one_class_are_not_enough(trojaned, colour_samples):
    samples = colour_samples.select(colour_samples.labels == 2)
    with pytest.raises(ValueError, match="images of at least two classes; got images of 1"):
        scan(trojaned, samples)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_size_share": 1.0}, r"scanner.max_size_share must lie in \(0, 1\).*got 1.0"),
        ({"min_asr": 0.0}, r"scanner.min_asr must be a fraction in \(0, 1\]; got 0.0"),
    ],
)
def test_bounds_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        KArm(**{**PARTS, "arms": ArmSettings(**ARMS), **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epsilon": 1.5}, r"arms.epsilon must lie in \[0, 1\]; got 1.5"),
        ({"plays": 0}, "arms.plays must be >= 1; got 0"),
    ],
)
def test_arms_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ArmSettings(**{**ARMS, **changes})


def test_a_network_that_answers_all_alike_is_inconclusive(trojaned, colour_samples):
    for parameter in trojaned.network.parameters():
        parameter.data.zero_()
    result = scan(trojaned, colour_samples)
    assert result.inconclusive == "the classifier answers every clean image alike"
    assert not result.flags
