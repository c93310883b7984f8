"""Exchange, barrier weights and margin in hand-worked limits."""

import pytest
import torch

from exray.judges.differencing.loss import barrier_weights, exchange, logit_margin


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
