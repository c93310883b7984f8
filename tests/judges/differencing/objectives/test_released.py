"""The released losses: weights and feasibility by hand, and the masks they lead to."""

from dataclasses import replace

import pytest
import torch

from exray.judges.differencing.feature_pairs import Exchanges
from exray.judges.differencing.mask_search import find_masks
from exray.judges.differencing.objectives.released import AccuracyMargin, SoftMargin


def exchanges(sides):
    """One pair of sets, a sample for each entry of ``sides``."""
    side = torch.tensor(sides)
    zero = torch.zeros_like(side)
    return Exchanges(own=zero, other=zero, pair=zero, side=side, to_class=1 - side, from_class=side)


def test_the_accuracy_margin_weighs_a_side_that_falls_behind_the_full_exchange():
    barrier = AccuracyMargin(weight=10.0).begin(1, torch.device("cpu"))
    sides = exchanges([0, 0, 1, 1])
    terms = torch.zeros(4)
    full = torch.tensor([True, True, True, False])  # one sample is misclassified: the bar is 1
    first = barrier.weights(terms, full, sides)
    assert first.samples.tolist() == [0, 0, 0, 0]
    assert first.size.tolist() == [1]
    behind = torch.tensor([True, False, True, False])
    assert barrier.weights(terms, behind, sides).samples.tolist() == [10, 10, 0, 0]
    assert barrier.feasible(full, sides).tolist() == [True]
    assert barrier.feasible(behind, sides).tolist() == [False]


def test_the_soft_margin_counts_the_size_by_sides_that_hold_and_doubles_its_weight():
    barrier = SoftMargin(weight=10.0, double_after=2).begin(1, torch.device("cpu"))
    sides, terms = exchanges([0, 1]), torch.zeros(2)
    both, one = torch.tensor([True, True]), torch.tensor([True, False])
    assert barrier.weights(terms, both, sides).size.tolist() == [1]
    assert barrier.weights(terms, one, sides).size.tolist() == [0.5]
    for epoch in range(1, 3):
        noted(barrier, epoch)
    assert barrier.weights(terms, one, sides).samples.tolist() == [0, 20]
    noted(barrier, 3, improved=True)
    noted(barrier, 4)
    assert barrier.weights(terms, one, sides).samples.tolist() == [0, 20]
    noted(barrier, 9, active=False)  # a pair that rests
    assert barrier.weights(terms, one, sides).samples.tolist() == [0, 20]


def noted(barrier, epoch, *, improved=False, active=True):
    barrier.after_epoch(
        torch.tensor([epoch]), active=torch.tensor([active]), improved=torch.tensor([improved])
    )


@pytest.mark.parametrize("name", ["weight", "double_after"])
def test_numbers_that_are_not_positive_are_refused(name):
    values = {"weight": 10.0, "double_after": 30, name: 0 if name == "double_after" else 0.0}
    with pytest.raises(ValueError, match=f"{name} must be a positive number; got 0"):
        SoftMargin(**values)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "objective", [AccuracyMargin(weight=10.0), SoftMargin(weight=10.0, double_after=30)]
)
def test_the_released_losses_find_the_channels_that_tell_the_classes_apart(
    known_pair, mask_settings, objective
):
    settings = replace(mask_settings, objective=objective, epochs=200, patience=200, pairing="once")
    result = find_masks(*known_pair, settings)
    assert result.converged.all()
    assert (result.masks[0, [1, 3]] > 0.85).all()
    assert (result.masks[0, [0, 2, 4]] < 0.1).all()
