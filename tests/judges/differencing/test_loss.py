"""Exchange, barrier weights and loss against hand-worked limits and a slow loop."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from exray.judges.differencing.feature_pairs import FeaturePairs, Pairing, SetPair
from exray.judges.differencing.loss import barrier_weights, exchange, logit_margin
from exray.judges.differencing.objectives.cross_entropy import CrossEntropyBarrier


@pytest.mark.parametrize("space", [(), (5,), (2, 3)])
def test_mask_zero_changes_nothing(space):
    own, other = torch.randn(3, 4, *space), torch.randn(3, 4, *space)
    assert torch.equal(exchange(own, other, torch.zeros(3, 4)), own)


@pytest.mark.parametrize("space", [(), (5,), (2, 3)])
def test_mask_one_gives_the_other_features(space):
    own, other = torch.randn(3, 4, *space), torch.randn(3, 4, *space)
    torch.testing.assert_close(exchange(own, other, torch.ones(3, 4)), other)


def test_a_sample_is_exchanged_by_its_own_mask_alone():
    own, other = torch.zeros(2, 3), torch.ones(2, 3)
    mask = torch.tensor([[1.0, 0.0, 0.25], [0.0, 1.0, 0.5]])
    assert torch.equal(exchange(own, other, mask), mask)


def test_a_violated_constraint_weighs_much_and_a_met_one_little():
    entropy = torch.tensor([0.0, 0.1, 0.1001, 5.0])
    weights = barrier_weights(entropy, alpha=0.1, large=10.0, small=0.5)
    torch.testing.assert_close(weights, torch.tensor([0.5, 0.5, 10.0, 10.0]))


def test_barrier_weights_must_differ():
    with pytest.raises(ValueError, match=r"large must exceed small, which is 2.0; got 2.0"):
        barrier_weights(torch.zeros(1), alpha=0.1, large=2.0, small=2.0)


def test_exchanging_the_classes_turns_the_margin_around():
    logits, one, other = torch.randn(6, 3), torch.zeros(6).long(), torch.ones(6).long()
    torch.testing.assert_close(logit_margin(logits, one, other), -logit_margin(logits, other, one))


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
