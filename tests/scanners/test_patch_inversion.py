"""Patches for a backdoor that we planted: recovered, bounded, repeatable, independent."""

from dataclasses import replace

import pytest
import torch

from exray.models.splitting import SplitClassifier
from exray.scanners import patch_inversion
from exray.scanners.patch_inversion import InversionSettings, PatchInversion

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = InversionSettings(
    max_size_share=0.15,
    pattern="colour",
    learning_rate=0.3,
    noise=0.02,
    neuron_weight=0.01,
    probe_images=2,
    seed=0,
)
CANDIDATES = ((0, 1, 3), (2, 1, 3), (1, 0, 0), (0, 2, 2))
PLANTED, OTHERS = [0, 1], [2, 3]
BOUND = 0.15 * 16 * 16


def inverted(classifier, samples, candidates=CANDIDATES, settings=SETTINGS, steps=25):
    split = SplitClassifier(classifier, "relu", example=samples.images[:2])
    images = {index: samples.of_class(index) for index in range(3)}
    inversion = PatchInversion(split, candidates, images, settings)
    inversion.run(steps, alive=torch.arange(len(candidates)), images_per_victim=4)
    return inversion


def success(inversion, *, harden=True):
    everywhere = torch.arange(len(inversion.candidates))
    return [asr for asr, _ in inversion.measure(alive=everywhere, harden=harden)]


@pytest.mark.parametrize("pattern", ["colour", "free"])
def test_the_planted_backdoor_is_recovered_within_the_bound(trojaned, colour_samples, pattern):
    inversion = inverted(trojaned, colour_samples, settings=replace(SETTINGS, pattern=pattern))
    asr = success(inversion)
    assert all(asr[place] >= 0.9 for place in PLANTED)
    assert all(asr[place] < 0.5 for place in OTHERS)


def test_the_clean_twin_has_no_trigger_of_that_size(clean_twin, colour_samples):
    assert max(success(inverted(clean_twin, colour_samples))) < 0.5


def test_no_patch_exceeds_the_bound(trojaned, colour_samples):
    inversion = inverted(trojaned, colour_samples)
    for place in range(len(CANDIDATES)):
        mask, pattern = inversion.patch(place, harden=True)
        assert 0 < float(mask.sum()) <= BOUND
        assert set(mask.unique().tolist()) <= {0, 1}
        assert 0 <= float(pattern.min()) <= float(pattern.max()) <= 1


def test_a_colour_pattern_is_one_colour(trojaned, colour_samples):
    _, pattern = inverted(trojaned, colour_samples, steps=2).patch(0, harden=False)
    assert torch.equal(pattern, pattern[:, :1, :1].expand_as(pattern))


def test_a_candidate_does_not_depend_on_its_batch_mates(trojaned, colour_samples):
    together = inverted(trojaned, colour_samples, steps=10)
    for place, candidate in enumerate(CANDIDATES):
        alone = inverted(trojaned, colour_samples, (candidate,), steps=10)
        torch.testing.assert_close(alone.best_score[0], together.best_score[place])
        torch.testing.assert_close(
            alone.best_masks[0], together.best_masks[place], atol=1e-4, rtol=0
        )
        torch.testing.assert_close(
            alone.best_patterns[0], together.best_patterns[place], atol=1e-4, rtol=0
        )


def test_chunks_change_nothing(trojaned, colour_samples, monkeypatch):
    whole = inverted(trojaned, colour_samples, steps=5)
    monkeypatch.setattr("exray.scanners.patch_inversion._pixels_per_call", lambda _: 1)
    parts = inverted(trojaned, colour_samples, steps=5)
    torch.testing.assert_close(whole.best_masks, parts.best_masks, atol=1e-5, rtol=0)


def test_the_same_seed_gives_the_same_patches_and_another_does_not(trojaned, colour_samples):
    one, same = (inverted(trojaned, colour_samples, steps=3) for _ in range(2))
    other = inverted(trojaned, colour_samples, settings=replace(SETTINGS, seed=1), steps=3)
    assert torch.equal(one.best_patterns, same.best_patterns)
    assert torch.equal(one.best_masks, same.best_masks)
    assert not torch.equal(one.best_patterns, other.best_patterns)


def test_inversion_goes_on_where_it_stopped(trojaned, colour_samples):
    whole = inverted(trojaned, colour_samples, steps=8)
    parts = inverted(trojaned, colour_samples, steps=5)
    parts.run(3, alive=torch.arange(len(CANDIDATES)), images_per_victim=4)
    torch.testing.assert_close(whole.best_masks, parts.best_masks)
    assert whole.steps_done == parts.steps_done == 8


def test_only_the_living_are_optimised_and_each_step_is_reported(trojaned, colour_samples):
    inversion = inverted(trojaned, colour_samples, steps=2)
    before = inversion.best_score.clone()
    calls = []
    inversion.forget_scores()
    inversion.run(3, alive=torch.tensor([1]), images_per_victim=9, on_step=lambda: calls.append(1))
    assert inversion.best_score[[0, 2, 3]].tolist() == [-1, -1, -1]
    assert inversion.best_score[1] >= before[1] - 0.1
    assert len(calls) == 3


def test_each_step_has_noise_of_its_own_within_its_bound(trojaned, colour_samples, monkeypatch):
    seen = []
    original = SplitClassifier.features

    def features(self, images):
        seen.append(images.detach())
        return original(self, images)

    monkeypatch.setattr(SplitClassifier, "features", features)
    inverted(trojaned, colour_samples, CANDIDATES[:1], steps=2)
    corners = [images[:, :, 0] - colour_samples.of_class(0)[:4, :, 0] for images in seen[-2:]]
    assert all(0.01 < float(corner.abs().max()) < 0.022 for corner in corners)
    assert not torch.allclose(*corners, atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2])
def test_a_size_that_is_no_share_is_refused(share):
    with pytest.raises(ValueError, match=rf"max_size_share must lie in \(0, 1\).*got {share}"):
        replace(SETTINGS, max_size_share=share)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pattern", "stripes", "pattern must be colour or free; got 'stripes'"),
        ("max_size_share", "much", "max_size_share must lie in .*; got 'much'"),
        ("learning_rate", "fast", "learning_rate must be positive; got 'fast'"),
    ],
)
def test_settings_of_the_wrong_kind_are_refused(name, value, message):
    settings = replace(SETTINGS)
    object.__setattr__(settings, name, value)  # beartype, which users lack, would refuse it first
    with pytest.raises(ValueError, match=message):
        settings.__post_init__()


def test_a_learning_rate_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"learning_rate must be positive; got 0.0"):
        replace(SETTINGS, learning_rate=0.0)


def test_nine_hits_of_ten_reach_a_bar_of_nine_tenths():
    logits = torch.tensor([[0.0, 1.0]] * 9 + [[1.0, 0.0]])[None]
    asr, _ = patch_inversion._success(logits.double(), torch.tensor([1]))
    assert float(asr) >= 0.9
