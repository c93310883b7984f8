"""The paper's loss against a slow sum, and its one-sided variants."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from exray.judges.differencing.feature_pairs import FeaturePairs, Pairing, SetPair
from exray.judges.differencing.loss import exchange
from exray.judges.differencing.mask_search import find_masks
from exray.judges.differencing.objectives.cross_entropy import CrossEntropyBarrier


def slow_loss(head, first, second, mask, *, classes, alpha, large, small):
    """Equation (4) for one pair of sets, sample pair by sample pair and channel by channel."""
    weight, bias = head.weight.numpy(), head.bias.numpy()
    barrier = 0.0
    for one, other in zip(first, second, strict=True):
        for base, copied, label in ((one, other, classes[1]), (other, one, classes[0])):
            mixed = [
                base[c] * (1 - mask[c]) + copied[c] * mask[c] for c in range(len(mask))
            ]  # fmt: skip
            logits = [
                float(np.dot(row, mixed) + add) for row, add in zip(weight, bias, strict=True)
            ]
            entropy = math.log(sum(math.exp(z) for z in logits)) - logits[label]
            barrier += (large if entropy > alpha else small) * entropy
    return sum(mask) + barrier / len(first)


@pytest.mark.usefixtures("float64")
def test_the_loss_is_equation_four_summed_by_hand():
    head = nn.Linear(5, 3).requires_grad_(False)
    bank, masks = 4 * torch.randn(8, 5), torch.rand(2, 5)
    sets = [((0, 1), (2, 3), (0, 2)), ((4, 5), (6, 7), (2, 1))]
    pairs = FeaturePairs(
        bank,
        [
            SetPair(first=a, second=b, first_class=c[0], second_class=c[1], one_to_one=True)
            for a, b, c in sets
        ],
    )
    exchanges = Pairing(pairs, schedule="each_epoch", seed=0).draw([0, 1])
    logits = head(exchange(bank[exchanges.own], bank[exchanges.other], masks[exchanges.pair]))
    objective = CrossEntropyBarrier(alpha=1.0, weight_large=7.0, weight_small=0.3, direction="both")
    barrier = objective.begin(2, bank.device)
    terms = barrier.terms(logits, exchanges)
    weights = barrier.weights(terms, logits.argmax(dim=1) == exchanges.to_class, exchanges)
    assert set((2 * weights.samples).tolist()) == {0.3, 7.0}  # both kinds, each over two pairs
    loss = weights.size * masks.sum(dim=1)
    loss = loss.index_add(0, exchanges.pair, weights.samples * terms)
    expected = [
        slow_loss(
            head,
            bank[list(a)].numpy(),
            bank[list(b)].numpy(),
            mask.numpy(),
            classes=classes,
            alpha=1.0,
            large=7.0,
            small=0.3,
        )
        for (a, b, classes), mask in zip(sets, masks, strict=True)
    ]
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-12)


@pytest.mark.usefixtures("one_thread")
def test_a_one_sided_mask_is_smaller_where_one_direction_asks_less(known_pair, mask_settings):
    head, pairs = known_pair
    settings = replace(mask_settings, epochs=200, patience=200, pairing="once")
    sums = {}
    for direction in ("both", "victim_to_target", "target_to_victim"):
        objective = CrossEntropyBarrier(
            alpha=0.1, weight_large=100.0, weight_small=0.0, direction=direction
        )
        sums[direction] = float(
            find_masks(head, pairs, replace(settings, objective=objective)).masks.sum()
        )
    assert sums["victim_to_target"] == pytest.approx(sums["both"], abs=0.1)  # needs both channels
    assert sums["target_to_victim"] < 0.5  # a little less of either undoes class 1


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, -0.5), (0.5, 1.0)])
def test_weights_that_do_not_differ_are_refused(mask_settings, weights):
    message = rf"weight_large must exceed weight_small >= 0; got {weights[0]} and"
    with pytest.raises(ValueError, match=message):
        replace(mask_settings.objective, weight_large=weights[0], weight_small=weights[1])


def test_an_alpha_of_zero_is_refused(mask_settings):
    with pytest.raises(ValueError, match=r"alpha must be a positive number; got 0.0"):
        replace(mask_settings.objective, alpha=0.0)
