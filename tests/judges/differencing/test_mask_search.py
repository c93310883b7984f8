"""Masks of problems whose solution is known beforehand, or is computed again by a slow loop."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from exray.judges.differencing.feature_pairs import FeaturePairs
from exray.judges.differencing.head_runner import HeadSettings, saved_bytes
from exray.judges.differencing.mask_optimization import MaskOptimization, MaskSettings
from exray.judges.differencing.mask_search import MaskSearch, find_masks
from exray.judges.differencing.objectives.cross_entropy import CrossEntropyBarrier

pytestmark = pytest.mark.usefixtures("one_thread")

COMPUTE = HeadSettings(
    memory_budget_gb=1.0, precision="float32", channels_last=False, compile=False
)
SETTINGS = MaskSettings(
    objective=CrossEntropyBarrier(
        alpha=0.1, weight_large=100.0, weight_small=0.0, direction="both"
    ),
    learning_rate=0.05,
    epochs=150,
    patience=150,
    recheck=1,
    pairing="each_epoch",
    compute=COMPUTE,
    seed=0,
)


def weighted(large, small):
    objective = replace(SETTINGS.objective, weight_large=large, weight_small=small)
    return replace(SETTINGS, objective=objective)


def test_exactly_the_channels_that_tell_the_classes_apart_are_found(
    two_channel_head, known_features, pair
):
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 10), one_to_one=False)])
    result = find_masks(two_channel_head(), pairs, SETTINGS)
    assert result.converged.all()
    assert (result.masks[0, [1, 3]] > 0.9).all()
    assert (result.masks[0, [0, 2, 4]] < 0.05).all()
    assert 1.9 < float(result.masks.sum()) < 2.1
    assert 0 < int(result.best_epoch) < SETTINGS.epochs


def test_the_masks_found_do_exchange_the_classes_and_empty_ones_do_not(
    two_channel_head, known_features, pair, accuracies
):
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 10), one_to_one=False)])
    head = two_channel_head()
    result = find_masks(head, pairs, SETTINGS)
    assert accuracies(head, pairs, result.masks, seed=1).tolist() == [[1, 1]]
    assert accuracies(head, pairs, torch.zeros(1, 5), seed=1).tolist() == [[0, 0]]
    assert accuracies(head, pairs, torch.ones(1, 5), seed=1).tolist() == [[1, 1]]


def test_identical_sets_are_reported_as_not_converged_with_all_ones(
    two_channel_head, known_features, pair
):
    same, other = [pair(range(4), range(4), one_to_one=False), pair(range(4), range(4, 8))]
    pairs = FeaturePairs(known_features(), [same, other])
    result = find_masks(two_channel_head(), pairs, replace(SETTINGS, epochs=60))
    assert result.converged.tolist() == [False, True]
    assert result.masks[0].tolist() == [1] * 5
    assert result.best_epoch[0] == -1


@pytest.mark.usefixtures("float64")
def test_exchanging_the_sets_exchanges_the_constraints(pair, accuracies):
    features = torch.randn(8, 4)
    head = nn.Linear(4, 3).requires_grad_(False)
    there = FeaturePairs(features, [pair(range(4), range(4, 8), (0, 2))])
    back = FeaturePairs(features, [pair(range(4, 8), range(4), (2, 0))])
    masks = torch.rand(1, 4)
    one = accuracies(head, there, masks, seed=0)
    other = accuracies(head, back, masks, seed=0)
    assert one.tolist() == other.flip(1).tolist()
    module, mirrored = (MaskOptimization(head, pairs, SETTINGS) for pairs in (there, back))
    results = [find_masks(head, pairs, replace(SETTINGS, epochs=30)) for pairs in (there, back)]
    torch.testing.assert_close(results[0].masks, results[1].masks)
    assert torch.equal(module.masks, mirrored.masks)


@pytest.mark.usefixtures("float64")
def test_pairs_optimised_together_get_the_masks_they_get_alone(random_pairs):
    head, features, sets = random_pairs(num_pairs=8, num_samples=5)
    settings = replace(weighted(100.0, 1.0), epochs=40)
    pairs = FeaturePairs(features, sets)
    together = find_masks(head, pairs, settings)
    for index, set_pair in enumerate(sets):
        alone = find_masks(head, FeaturePairs(features, [set_pair]), settings)
        torch.testing.assert_close(alone.masks[0], together.masks[index], rtol=0, atol=1e-8)
        assert alone.best_epoch[0] == together.best_epoch[index]


@pytest.mark.usefixtures("float64")
def test_single_samples_optimised_together_get_the_masks_they_get_alone(random_pairs):
    head, features, sets = random_pairs(num_pairs=6, num_samples=1)
    sets = [replace(set_pair, one_to_one=False) for set_pair in sets]
    settings = replace(SETTINGS, epochs=30)
    together = find_masks(head, FeaturePairs(features, sets), settings)
    for index, set_pair in enumerate(sets):
        alone = find_masks(head, FeaturePairs(features, [set_pair]), settings)
        torch.testing.assert_close(alone.masks[0], together.masks[index], rtol=0, atol=1e-8)


def slow_masks(weight, bias, first, second, classes, settings):
    """Adam on equation (4) for a linear head, one sample pair after another, in plain numpy."""
    bounds = settings.objective
    logits = np.full(first.shape[1], 4.0)
    moment, square = np.zeros_like(logits), np.zeros_like(logits)
    best, best_sum = np.ones_like(logits), math.inf
    for step in range(1, settings.epochs + 1):
        mask = (np.tanh(logits) + 1) / 2
        gradient, feasible = np.ones_like(mask), True
        for one, other in zip(first, second, strict=True):
            for base, copied, label in ((one, other, classes[1]), (other, one, classes[0])):
                scores = weight @ (base * (1 - mask) + copied * mask) + bias
                shares = np.exp(scores) / np.exp(scores).sum()
                violated = -math.log(shares[label]) > bounds.alpha
                scale = bounds.weight_large if violated else bounds.weight_small
                error = shares - np.eye(len(shares))[label]
                gradient += scale * (weight.T @ error) * (copied - base) / len(first)
                feasible &= scores.argmax() == label
        if feasible and mask.sum() < best_sum:
            best, best_sum = mask, mask.sum()
        gradient = gradient * (1 - np.tanh(logits) ** 2) / 2
        moment = 0.9 * moment + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = settings.learning_rate / (1 - 0.9**step)
        logits = logits - rate * moment / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return best


@pytest.mark.usefixtures("float64")
def test_the_mask_is_that_of_a_slow_loop_in_numpy(pair):
    head = nn.Linear(6, 3).requires_grad_(False)
    features = 3 * torch.randn(200, 6)
    labels = head(features).argmax(dim=1)
    rows = [(labels == k).nonzero().flatten()[:4].tolist() for k in (0, 2)]
    settings = replace(weighted(5.0, 0.5), epochs=60)
    result = find_masks(head, FeaturePairs(features, [pair(*rows, (0, 2))]), settings)
    expected = slow_masks(
        head.weight.numpy(),
        head.bias.numpy(),
        features[rows[0]].numpy(),
        features[rows[1]].numpy(),
        (0, 2),
        settings,
    )
    assert result.converged.all()
    assert expected.sum() < 5.9  # it went somewhere
    np.testing.assert_allclose(result.masks[0].numpy(), expected, atol=1e-8)


def test_the_same_seed_gives_the_same_masks(two_channel_head, known_features, pair):
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 10), one_to_one=False)])
    settings = replace(SETTINGS, epochs=20)
    one, other = (find_masks(two_channel_head(), pairs, settings) for _ in range(2))
    assert torch.equal(one.masks, other.masks)


def test_the_head_is_left_as_it_was(two_channel_head, known_features, pair):
    head = nn.Sequential(nn.BatchNorm1d(5), nn.Dropout(0.5), two_channel_head())
    head.eval().requires_grad_(False)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 8))])
    find_masks(head, pairs, replace(SETTINGS, epochs=5))
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())
    assert not any(module.training for module in head.modules())
    assert all(
        parameter.grad is None and not parameter.requires_grad for parameter in head.parameters()
    )


@pytest.mark.parametrize("name", ["learning_rate", "epochs", "patience", "recheck"])
def test_settings_that_are_not_positive_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be a positive number; got 0"):
        replace(SETTINGS, **{name: 0.0 if name == "learning_rate" else 0})


@pytest.mark.usefixtures("float64")
def test_masks_do_not_depend_on_how_many_samples_a_head_call_takes(random_pairs):
    head, features, sets = random_pairs(num_pairs=6, num_samples=5)
    pairs = FeaturePairs(features, sets)
    settings = replace(SETTINGS, epochs=90)
    whole = find_masks(head, pairs, settings)
    one_pair = 10 * saved_bytes(head, features[:1]) / (1 << 30)
    small = replace(COMPUTE, memory_budget_gb=1.05 * one_pair)
    apart = find_masks(head, pairs, replace(settings, compute=small))
    assert MaskOptimization(head, pairs, replace(settings, compute=small)).samples_per_call == 10
    torch.testing.assert_close(whole.masks, apart.masks, rtol=0, atol=1e-8)


@pytest.mark.usefixtures("float64")
def test_gradients_of_the_few_are_those_of_all(random_pairs):
    head, features, sets = random_pairs(num_pairs=4, num_samples=6)
    settings = replace(SETTINGS, objective=replace(SETTINGS.objective, alpha=0.8))
    module = MaskOptimization(head, FeaturePairs(features, sets), settings)
    with torch.no_grad():
        module.logits.copy_(0.7 + torch.rand(4, 6))
    gradients = []
    for share in (0.0, 1.0):  # of exchanges that had a gradient before
        module.share_with_gradient.fill_(share)
        module.optimizer.zero_grad()
        (chunk,) = module.chunks(module.pairing.draw(module.active_pairs))
        loss, _ = module.loss(chunk)
        loss.backward()
        gradients.append(module.logits.grad.to_dense())
    assert 0 < module.gradient_passes - 48 < 48  # fewer than all 48 the first time
    torch.testing.assert_close(gradients[0], gradients[1])
    only_size = module.masks * (1 - module.masks) * 2
    assert not torch.allclose(gradients[0], only_size)


class Times(nn.Module):
    """Logits so far apart that constraints are satisfied with margin."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, logits):
        return self.factor * logits


@pytest.mark.usefixtures("float64")
def test_pairs_whose_exchanges_are_skipped_get_the_masks_they_get_alone(random_pairs):
    head, features, sets = random_pairs(num_pairs=4, num_samples=5)
    settings = replace(SETTINGS, epochs=80, recheck=4)
    sure = nn.Sequential(head, Times(10.0))
    together = find_masks(sure, FeaturePairs(features, sets), settings)
    for index, set_pair in enumerate(sets):
        alone = find_masks(sure, FeaturePairs(features, [set_pair]), settings)
        torch.testing.assert_close(alone.masks[0], together.masks[index], rtol=0, atol=1e-9)


def test_masks_of_skipped_exchanges_still_exchange_everything(accuracies, random_pairs):
    head, features, sets = random_pairs(num_pairs=3, num_samples=6)
    pairs = FeaturePairs(features, sets)
    sure = nn.Sequential(head, Times(10.0))
    searches = [MaskSearch(sure, pairs, replace(SETTINGS, recheck=k)) for k in (1, 4)]
    for search in searches:
        search.run()
    full, sparing = (search.optimization for search in searches)
    assert sparing.passes < 0.9 * full.passes
    assert accuracies(head, pairs, sparing.smallest.masks).tolist() == [[1, 1]] * 3
    torch.testing.assert_close(sparing.smallest.sums, full.smallest.sums, rtol=0.05, atol=0.05)
