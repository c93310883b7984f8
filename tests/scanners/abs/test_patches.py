"""ABS finds the backdoor that we planted, and nothing in the clean twin."""

from dataclasses import replace

import pytest
import torch

from exray.scanners.abs.patches import (
    AbsPatchScanner,
    InversionRound,
    PatchSettings,
)
from exray.scanners.abs.stimulation import StimulationSettings
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.initialization import ProbeSettings
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.prescreen import PrescreenSettings, likely_pairs

pytestmark = pytest.mark.usefixtures("one_thread")

STIMULATION = StimulationSettings(
    layer="relu", images_per_class=2, levels=(0.0, 0.5, 1.0), targets_per_victim=2
)
PATCH = PatchSettings(max_size_share=0.15, pattern="colour", neuron_weight=0.01)
ROUNDS = (
    InversionRound(steps=10, images_per_victim=2, min_score=0.05, keep=9),
    InversionRound(steps=15, images_per_victim=4, min_score=0.5, keep=9),
)
PARTS = {
    "stimulation": STIMULATION,
    "probe": ProbeSettings(images=2, finalists=4, targets_per_victim=2),
    "patch": PATCH,
    "inversion": InversionSettings(learning_rate=0.3, betas=(0.9, 0.999), noise=0.02, seed=0),
    "rounds": ROUNDS,
    "stop": StopRule(good_score=1.98, patience=5, gain=0.002),
    "min_asr": 0.9,
    "triggers_per_victim": 9,
}


def scanner(**changes):
    return AbsPatchScanner(**{**PARTS, **changes})


def test_the_planted_target_is_found_with_a_small_trigger(trojaned, colour_samples):
    result = scanner().scan(trojaned, colour_samples)
    assert result.flags
    assert result.num_candidates == 6
    assert {trigger.victim_class for trigger in result.triggers} == {0, 2}
    for trigger in result.triggers:
        assert trigger.target_class == 1
        assert trigger.asr >= 0.9
        assert 0 < trigger.trigger.size_pixels <= 0.15 * 256
        assert trigger.source == "abs"
        stamped = trigger.trigger.apply(colour_samples.of_class(trigger.victim_class))
        asr = (trojaned.predict(stamped).argmax(dim=1) == 1).double().mean()
        assert float(asr) == pytest.approx(trigger.asr)


def test_triggers_come_strongest_first(trojaned, colour_samples):
    triggers = scanner(min_asr=0.01).scan(trojaned, colour_samples).triggers
    strength = [min(trigger.asr + trigger.target_probability, 1.98) for trigger in triggers]
    assert strength == sorted(strength, reverse=True)


def test_of_saturated_triggers_the_one_whose_square_led_most_is_kept(trojaned, colour_samples):
    wide = replace(PATCH, max_size_share=0.9)  # any class can be painted over the victim's
    every = scanner(patch=wide).scan(trojaned, colour_samples).triggers
    pairs = {(trigger.victim_class, trigger.target_class) for trigger in every}
    assert {(0, 1), (0, 2)} <= pairs
    one = scanner(patch=wide, triggers_per_victim=1).scan(trojaned, colour_samples).triggers
    assert {trigger.target_class for trigger in one if trigger.victim_class == 0} == {1}


def test_the_probe_drops_targets_before_they_cost_a_step(trojaned, colour_samples):
    probe = ProbeSettings(images=2, finalists=4, targets_per_victim=1)
    result = scanner(probe=probe).scan(trojaned, colour_samples)
    assert result.num_candidates == 3  # of six pairs
    assert {(trigger.victim_class, trigger.target_class) for trigger in result.triggers} == {
        (0, 1),
        (2, 1),
    }


def test_the_pre_screen_leaves_the_pairs_that_clean_images_point_to(trojaned, colour_samples):
    narrow = PrescreenSettings(share=0.0, targets_per_victim=1)
    result = scanner(prescreen=narrow).scan(trojaned, colour_samples)
    pairs = likely_pairs(trojaned, colour_samples, narrow)
    assert result.num_candidates == 3
    assert {(trigger.victim_class, trigger.target_class) for trigger in result.triggers} <= set(
        pairs
    )


def test_progress_counts_up_to_the_steps_there_are(trojaned, colour_samples):
    seen = []
    scanner().scan(trojaned, colour_samples, lambda *call: seen.append(call))
    assert [done for _, done, _ in seen] == list(range(1, 26))
    assert {(stage, total) for stage, _, total in seen} == {("inversion", 25)}


def test_scanning_changes_neither_network_nor_samples(trojaned, colour_samples):
    before = [value.clone() for value in trojaned.network.state_dict().values()]
    images = colour_samples.images.clone()
    scanner().scan(trojaned, colour_samples)
    after = trojaned.network.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(images, colour_samples.images)


def test_a_class_without_images_is_neither_victim_nor_target(trojaned, colour_samples):
    samples = colour_samples.select(colour_samples.labels != 0)
    result = scanner().scan(trojaned, samples)
    assert result.num_candidates == 2
    assert {(trigger.victim_class, trigger.target_class) for trigger in result.triggers} == {(2, 1)}


def test_a_scanner_needs_a_round():
    with pytest.raises(ValueError, match="at least one round; got none"):
        scanner(rounds=())


@pytest.mark.parametrize("asr", [0.0, 1.5])
def test_an_asr_bar_that_is_no_fraction_is_refused(asr):
    with pytest.raises(ValueError, match=rf"min_asr must be a fraction in \(0, 1\]; got {asr}"):
        scanner(min_asr=asr)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2])
def test_a_size_that_is_no_share_is_refused(share):
    with pytest.raises(ValueError, match=rf"max_size_share must lie in \(0, 1\).*got {share}"):
        replace(PATCH, max_size_share=share)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pattern", "stripes", "pattern must be colour or free; got 'stripes'"),
        ("max_size_share", "much", "max_size_share must lie in .*; got 'much'"),
    ],
)
def test_patches_of_the_wrong_kind_are_refused(name, value, message):
    settings = replace(PATCH)
    object.__setattr__(settings, name, value)  # beartype, which users lack, would refuse it first
    with pytest.raises(ValueError, match=message):
        settings.__post_init__()


def test_a_wider_bound_never_finds_less(trojaned, colour_samples):
    scores = [
        scanner(patch=replace(PATCH, max_size_share=share)).scan(trojaned, colour_samples).score
        for share in (0.005, 0.03, 0.15)
    ]
    assert scores == sorted(scores)
    assert scores[0] == 0
    assert scores[-1] >= 0.9


def test_a_bound_below_a_pixel_is_refused_rather_than_clean(trojaned, colour_samples):
    tiny = replace(PATCH, max_size_share=0.001)
    said = r"patch.max_size_share leaves a trigger less than one of 16 x 16 .* at least 0.0039; got"
    with pytest.raises(ValueError, match=said):
        scanner(patch=tiny).scan(trojaned, colour_samples)
