"""Losses and scores by hand, and the weight of a mask's size as a slow loop changes it."""

import math

import pytest
import torch

from exray.scanners.inversion.interfaces import StampedSet, View
from exray.scanners.inversion.objectives import (
    BoundedChange,
    BoundedLead,
    CostSettings,
    DynamicCost,
)

COST = {
    "asr_bar": 0.99,
    "first_cost": 0.02,
    "first_patience": 3,
    "patience": 2,
    "up": 2.0,
    "down": 3.0,
}
LEADS = (1.0, 3.0)  # of the two images of each candidate, over the only other class


def view(sizes, counted=None):
    """Candidates of target 1, whose triggers have these sizes."""
    size, num = torch.tensor(sizes), len(sizes)
    pixels = size if counted is None else torch.tensor(counted)
    logits = torch.tensor([[0.0, lead] for lead in LEADS]).expand(num, 2, 2)
    stamped = StampedSet(
        images=torch.zeros(num, 2, 3, 1, 1), size=size, measure=pixels, counted=pixels
    )
    return View(
        rows=torch.arange(num),
        logits=logits,
        targets=torch.ones(num, dtype=torch.long),
        activation=torch.full((num,), 5.0),
        stamped=stamped,
    )


def test_a_patch_costs_its_size_once_beyond_its_bound_and_twice_far_beyond():
    patches = view([7.0, 7.0, 7.0], counted=[10.0, 11.0, 13.0])
    bare = BoundedLead(max_pixels=10.0, neuron_weight=0.0)
    torch.testing.assert_close(bare.loss(patches), torch.tensor([-40.0, -33.0, -26.0]))
    weighted = BoundedLead(max_pixels=10.0, neuron_weight=0.5)
    torch.testing.assert_close(weighted.loss(patches), bare.loss(patches) - 2.5)
    scores = bare.score(patches, torch.full((3,), 0.5), torch.full((3,), 0.25))
    assert scores.tolist() == [0.75, -math.inf, -math.inf]


def test_a_filter_costs_what_its_ssim_lacks_and_counts_only_within_the_bound():
    objective = BoundedChange(min_ssim=0.5)  # aims at 0.51
    filters = view([0.2, 0.59], counted=[0.8, 0.41])  # lack of SSIM, SSIM
    torch.testing.assert_close(objective.loss(filters), torch.tensor([-2.0, 98.0]))
    scores = objective.score(filters, torch.ones(2), torch.ones(2))
    assert scores.tolist() == [2.0, -math.inf]


def test_a_mask_costs_its_size_times_its_own_weight():
    objective = DynamicCost(CostSettings(**COST), num_candidates=2, device=torch.device("cpu"))
    objective.costs[:] = torch.tensor([0.0, 0.5])
    entropy = sum(math.log1p(math.exp(-lead)) for lead in LEADS) / 2
    expected = torch.tensor([entropy, entropy + 2.0])
    torch.testing.assert_close(objective.loss(view([4.0, 4.0])), expected)
    scores = objective.score(view([4.0, 4.0]), torch.tensor([0.99, 0.98]), torch.zeros(2))
    assert scores.tolist() == [-4.0, -math.inf]


def slow_costs(successes):
    """The weight after each step of one candidate."""
    cost, streak, costs = 0.0, 0, []
    for success in successes:
        streak = max(streak, 0) + 1 if success else min(streak, 0) - 1
        if abs(streak) >= (COST["patience"] if cost else COST["first_patience"]):
            if success:
                cost = cost * COST["up"] or COST["first_cost"]
            else:
                cost /= COST["down"]
            streak = 0
        costs.append(cost)
    return costs


def test_weights_follow_each_candidates_own_series_of_successes():
    successes = torch.rand(40, 3) < torch.tensor([0.3, 0.6, 0.9])
    objective = DynamicCost(CostSettings(**COST), num_candidates=3, device=torch.device("cpu"))
    costs = []
    for step in successes:
        objective.after_step(view([1.0] * 3), torch.where(step, 1.0, 0.5))
        costs.append(objective.costs.clone())
    expected = torch.tensor([slow_costs(series) for series in successes.T.tolist()]).T
    torch.testing.assert_close(torch.stack(costs), expected)
    assert len(expected.unique()) > 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"asr_bar": 99.0}, r"asr_bar must be a fraction in \(0, 1\]; got 99.0"),
        ({"up": 1.0}, "up must exceed 1; got 1.0"),
    ],
)
def test_costs_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        CostSettings(**{**COST, **changes})
