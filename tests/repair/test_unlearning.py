"""Unlearning takes a planted backdoor out and leaves the rest."""

import pytest
import torch

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_planted_backdoor_is_unlearned_and_the_original_stays(
    unlearning, trojaned, colour_samples, white_patch, asr_of
):
    before = {name: value.clone() for name, value in trojaned.network.state_dict().items()}
    repaired = unlearning.repaired(trojaned, colour_samples, [white_patch], seed=0)
    assert asr_of(trojaned, white_patch, colour_samples) == 1
    assert asr_of(repaired, white_patch, colour_samples) == 0
    assert repaired.accuracy(colour_samples.images, colour_samples.labels) == 1
    after = trojaned.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(weight.requires_grad for weight in repaired.network.parameters())
    assert not repaired.network.training


def test_the_same_seed_gives_the_same_weights(unlearning, trojaned, colour_samples, white_patch):
    first, second, other = (
        unlearning.repaired(trojaned, colour_samples, [white_patch], seed=seed).network
        for seed in (0, 0, 1)
    )
    assert torch.equal(first.linear.weight, second.linear.weight)
    assert not torch.equal(first.linear.weight, other.linear.weight)
