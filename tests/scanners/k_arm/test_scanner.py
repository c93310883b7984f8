"""K-Arm finds the planted backdoor, spends its steps well and always ends in an answer."""

from dataclasses import replace

import pytest
import torch

from exray.scanners.inversion.initialization import ProbeSettings
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.objectives import CostSettings
from exray.scanners.inversion.prescreen import PrescreenSettings
from exray.scanners.inversion.universal import UniversalSettings
from exray.scanners.k_arm.bandit import ArmSettings
from exray.scanners.k_arm.scanner import KArm

pytestmark = pytest.mark.usefixtures("one_thread")

ARMS = ArmSettings(
    plays=150,
    plays_per_arm=1,
    warm_up=5,
    warm_up_improvements=2,
    epsilon=0.2,
    elimination=((10, 0.01), (20, 0.3)),
    backward_elimination=((20, 1.0),),
    stop_improvements=None,
)
COST = {"asr_bar": 0.99, "first_cost": 0.02, "patience": 3, "up": 1.5, "down": 1.5}
UNIVERSAL = UniversalSettings(share=0.95, max_size_share=0.2, images_per_step=6)
PARTS = {
    "layer": "relu",
    "prescreen": PrescreenSettings(share=0.0, targets_per_victim=2),
    "universal": None,
    "arms": ARMS,
    "probe": ProbeSettings(images=2, finalists=4, targets_per_victim=2),
    "cost": CostSettings(first_patience=2, **COST),
    "inversion": InversionSettings(learning_rate=0.2, betas=(0.5, 0.9), noise=0.0, seed=0),
    "images_per_step": 6,
    "max_size_share": 0.2,
    "min_ratio": None,
    "min_asr": 0.9,
}


def scan(classifier, samples, plays=150, progress=None, **changes):
    parts = {**PARTS, "arms": replace(ARMS, plays=plays), **changes}
    return KArm(**parts).scan(classifier, samples, progress)


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


def test_a_universal_arm_finds_one_trigger_for_all_victims(trojaned, colour_samples):
    every = replace(UNIVERSAL, share=0.0)
    result = scan(trojaned, colour_samples, plays=120, universal=every)
    assert result.num_candidates == 6 + 3
    images = colour_samples.select(colour_samples.labels != 1).images
    answers = [trojaned.predict(trigger.trigger.apply(images)) for trigger in result.triggers]
    flipped = [float((logits.argmax(dim=1) == 1).double().mean()) for logits in answers]
    assert max(flipped) >= 0.9
    assert {trigger.target_class for trigger in result.triggers} == {1}


def test_targets_that_no_image_points_to_are_no_universal_arms(clean_twin, colour_samples):
    result = scan(clean_twin, colour_samples, plays=30, universal=UNIVERSAL)
    assert result.num_candidates == 6


def test_the_symmetric_check_keeps_the_one_way_trigger(trojaned, colour_samples):
    result = scan(trojaned, colour_samples, plays=100, min_ratio=1.5)
    assert {trigger.target_class for trigger in result.triggers} == {1}
    impossible = scan(trojaned, colour_samples, plays=60, min_ratio=float("inf"))
    assert impossible.triggers == ()


def test_the_symmetric_check_leaves_universal_triggers(trojaned, colour_samples):
    every = replace(UNIVERSAL, share=0.0)
    result = scan(trojaned, colour_samples, plays=120, universal=every, min_ratio=float("inf"))
    assert len(result.triggers) == 1


def test_the_arm_that_shrank_often_enough_ends_the_scan(trojaned, colour_samples):
    seen = []
    arms = replace(ARMS, stop_improvements=5)
    result = scan(trojaned, colour_samples, arms=arms, progress=lambda *call: seen.append(call))
    assert result.score > 0
    assert len(seen) < 100


def test_the_same_seed_gives_the_same_triggers(trojaned, colour_samples):
    one, other = (scan(trojaned, colour_samples, plays=60) for _ in range(2))
    assert one.score == other.score
    for a, b in zip(one.triggers, other.triggers, strict=True):
        assert torch.equal(a.trigger.mask, b.trigger.mask)


def test_images_of_one_class_are_not_enough(trojaned, colour_samples):
    samples = colour_samples.select(colour_samples.labels == 2)
    with pytest.raises(ValueError, match="images of at least two classes; got images of 1"):
        scan(trojaned, samples)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_size_share": 1.0}, r"max_size_share must lie in \(0, 1\).*got 1.0"),
        ({"min_asr": 0.0}, r"min_asr must be a fraction in \(0, 1\]; got 0.0"),
        ({"images_per_step": 0}, "images_per_step must be >= 1; got 0"),
    ],
)
def test_bounds_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        KArm(**{**PARTS, **changes})


def test_a_network_that_answers_all_alike_is_inconclusive(trojaned, colour_samples):
    for parameter in trojaned.network.parameters():
        parameter.data.zero_()
    result = scan(trojaned, colour_samples)
    assert result.inconclusive == "the classifier answers every clean image alike"
    assert not result.flags
