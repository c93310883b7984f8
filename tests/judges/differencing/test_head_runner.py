"""The head's precision, layout and memory, which change no mask but by rounding."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.judges.differencing.feature_pairs import FeaturePairs
from exray.judges.differencing.head_runner import saved_bytes
from exray.judges.differencing.mask_search import find_masks

pytestmark = pytest.mark.usefixtures("one_thread")


def test_saved_bytes_are_activations_and_features_but_no_weights():
    head = nn.Sequential(nn.Linear(5, 7), nn.Tanh()).requires_grad_(False)
    outputs, features_and_gradient = 3 * 7 * 4, 2 * 3 * 5 * 4
    assert saved_bytes(head, torch.rand(3, 5)) == outputs + features_and_gradient


def test_a_memory_budget_too_small_for_one_pair_is_refused(
    two_channel_head, known_features, pair, mask_settings
):
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 8))])
    tiny = replace(mask_settings.compute, memory_budget_gb=1e-9)
    with pytest.raises(ValueError, match=r"memory_budget_gb=1e-09 is too small: one pair of 8"):
        find_masks(two_channel_head(), pairs, replace(mask_settings, compute=tiny))


def test_a_memory_budget_of_nothing_is_refused(mask_settings):
    with pytest.raises(ValueError, match="memory_budget_gb must be a positive number of GiB; got"):
        replace(mask_settings.compute, memory_budget_gb=0.0)


def test_bfloat16_finds_the_same_channels(two_channel_head, known_features, pair, mask_settings):
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 10), one_to_one=False)])
    settings = replace(mask_settings, compute=replace(mask_settings.compute, precision="bfloat16"))
    result = find_masks(two_channel_head(), pairs, settings)
    assert (result.masks[0, [1, 3]] > 0.8).all()
    assert (result.masks[0, [0, 2, 4]] < 0.1).all()


@pytest.mark.usefixtures("float64")
def test_channels_last_changes_the_layout_alone(pair, mask_settings):
    layers = nn.Conv2d(4, 6, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)
    head = nn.Sequential(*layers).requires_grad_(False)
    features = 9 * torch.randn(60, 4, 3, 3)
    labels = head(features).argmax(dim=1)
    rows = [(labels == k).nonzero().flatten()[:5].tolist() for k in (0, 1)]
    pairs = FeaturePairs(features, [pair(*rows, one_to_one=False)])
    settings = replace(mask_settings, epochs=90)
    last = replace(settings, compute=replace(mask_settings.compute, channels_last=True))
    results = [find_masks(head, pairs, variant) for variant in (settings, last)]
    torch.testing.assert_close(results[0].masks, results[1].masks, rtol=0, atol=1e-8)
    assert results[0].converged.all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of its own doings
def test_a_compiled_head_finds_the_same_masks(
    two_channel_head, known_features, pair, mask_settings
):
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 10), one_to_one=False)])
    compiled = replace(mask_settings, compute=replace(mask_settings.compute, compile=True))
    results = [
        find_masks(two_channel_head(), pairs, variant) for variant in (mask_settings, compiled)
    ]
    torch.testing.assert_close(results[0].masks, results[1].masks, rtol=0, atol=1e-4)
