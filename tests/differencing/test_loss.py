"""Exchange, barrier weights and loss against hand-worked limits and a slow loop."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from exray.differencing.feature_pairs import FeaturePairs, SetPair
from exray.differencing.loss import barrier_weights, exchange, mask_loss
from exray.differencing.mask_optimization import exchanged_logits


@pytest.mark.parametrize("space", [(), (5,), (2, 3)])
def test_mask_zero_changes_nothing(space):
    first, second = torch.randn(2, 3, 4, *space), torch.randn(2, 3, 4, *space)
    into_first, into_second = exchange(first, second, torch.zeros(2, 4))
    assert torch.equal(into_first, first)
    assert torch.equal(into_second, second)


@pytest.mark.parametrize("space", [(), (5,), (2, 3)])
def test_mask_one_exchanges_the_sets(space):
    first, second = torch.randn(2, 3, 4, *space), torch.randn(2, 3, 4, *space)
    into_first, into_second = exchange(first, second, torch.ones(2, 4))
    torch.testing.assert_close(into_first, second)
    torch.testing.assert_close(into_second, first)


def test_a_pair_is_exchanged_by_its_own_mask_alone():
    first, second = torch.zeros(2, 1, 3), torch.ones(2, 1, 3)
    mask = torch.tensor([[1.0, 0.0, 0.25], [0.0, 1.0, 0.5]])
    into_first, into_second = exchange(first, second, mask)
    assert torch.equal(into_first[:, 0], mask)
    assert torch.equal(into_second[:, 0], 1 - mask)


def test_a_violated_constraint_weighs_much_and_a_met_one_little():
    entropy = torch.tensor([[0.0, 0.1, 0.1001, 5.0]])
    weights = barrier_weights(entropy, alpha=0.1, large=10.0, small=0.5)
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.5, 10.0, 10.0]]))


def test_barrier_weights_must_differ():
    with pytest.raises(ValueError, match=r"large must exceed small, which is 2.0; got 2.0"):
        barrier_weights(torch.zeros(1, 1), alpha=0.1, large=2.0, small=2.0)


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
    batch = pairs.draw(torch.Generator().manual_seed(3))
    logits, labels = exchanged_logits(head, bank, batch, masks, torch.tensor([0, 1]))
    sides = F.cross_entropy(logits.flatten(0, 2), labels.flatten(), reduction="none")
    sides = sides.view(labels.shape)
    bounds = {"alpha": 1.0, "large": 7.0, "small": 0.3}
    weights = barrier_weights(sides, **bounds)
    assert set(weights.unique().tolist()) == {0.3, 7.0}  # both kinds of constraint are in it
    loss = mask_loss(masks, sides[0], sides[1], (weights[0], weights[1]))
    expected = [
        slow_loss(
            head,
            bank[list(a)].numpy(),
            bank[list(b)].numpy(),
            mask.numpy(),
            classes=classes,
            **bounds,
        )
        for (a, b, classes), mask in zip(sets, masks, strict=True)
    ]
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-12)
