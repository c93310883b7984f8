"""The released rules and losses against the conditions of the facts, written out again."""

import itertools

import pytest
import torch
from torch import nn

from exray.judges.differencing.feature_pairs import Exchanges, FeaturePairs, SetPair
from exray.judges.differencing.head_runner import HeadSettings
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.mask_search import find_masks
from exray.judges.differencing.objectives.cross_entropy import CrossEntropyBarrier
from exray.judges.differencing.objectives.released import AccuracyMargin, SoftMargin
from exray.rules.base import CROSS
from exray.rules.released import ReleasedRule

GRID = (0.0, 0.35, 0.4, 0.61, 0.8, 0.86, 0.89, 0.9, 0.91, 0.95, 0.99, 1.0)


def measured(first, second, crossed):
    return {
        "similarity": max(first, second),
        "similarity_first": first,
        "similarity_second": second,
        "hard_similarity_first": first,
        "hard_similarity_second": second,
        **dict(zip(CROSS, crossed, strict=True)),
        "converged_victim_target": 1.0,
        "converged_victim_stamped": 1.0,
    }


def by_hand(variant, one, two, crossed):
    """Facts, section 1.7."""
    a1, a2, b1, b2 = crossed
    reached = [sum(each >= bar for each in crossed) for bar in (0.8, 0.9)]
    if variant == "patch":
        return (
            one > 0.8
            or (one > two and (b1 >= 0.8 or b2 >= 0.8))
            or two > 0.8
            or (two > one and (a1 >= 0.8 or a2 >= 0.8))
            or reached[0] >= 3
            or min(crossed) >= 0.4
        )
    if variant == "filter":
        return (
            one > 0.9
            or (one > two and (b1 >= 0.99 or b2 >= 0.99))
            or two > 0.88
            or (two > one and (a1 >= 0.99 or a2 >= 0.99))
            or (reached[1] >= 3 and two > 0.85)
            or (one > 0.6 and two > 0.6)
        )
    return (
        one > 0.9
        or (one > two and b1 >= 0.95 and b2 >= 0.95)
        or two > 0.9
        or (two > one and a1 >= 0.99 and a2 >= 0.99)
    )


@pytest.mark.parametrize("variant", ["patch", "filter", "round2_hard", "round3_soft"])
def test_a_released_rule_is_its_condition_over_a_grid(variant):
    stream = torch.Generator().manual_seed(0)
    rule = ReleasedRule(variant=variant)
    verdicts = set()
    for one, two in itertools.product(GRID, repeat=2):
        for _ in range(12):
            picks = torch.randint(len(GRID), (4,), generator=stream).tolist()
            crossed = tuple(GRID[pick] for pick in picks)
            found = rule.decide(measured(one, two, crossed))
            assert found.is_injected is not by_hand(variant, one, two, crossed)
            assert (found.score >= 0.5) == found.is_injected
            verdicts.add(found.is_injected)
    assert verdicts == {True, False}


def test_the_hard_rule_reads_the_hard_similarities():
    values = {**measured(0.2, 0.2, (0.0,) * 4), "hard_similarity_first": 0.95}
    assert not ReleasedRule(variant="round2_hard").decide(values).is_injected
    assert ReleasedRule(variant="round3_soft").decide(values).is_injected


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


def settings(objective):
    return MaskSettings(
        objective=objective,
        learning_rate=0.05,
        epochs=200,
        patience=200,
        recheck=1,
        pairing="once",
        compute=HeadSettings(
            memory_budget_gb=1.0, precision="float32", channels_last=False, compile=False
        ),
        seed=0,
    )


def known_pair():
    """Channel 1 at 1 makes class 1, and channel 3 at 1 takes class 0 away; the rest is noise."""
    features = torch.rand(8, 5)
    features[:4, [1, 3]], features[4:, [1, 3]] = 0.0, 1.0
    head = nn.Linear(5, 2).requires_grad_(False)
    head.weight.zero_()
    head.weight[1, [1, 3]] = 50.0
    head.bias.copy_(torch.tensor([0.0, -50.0 * 1.9]))
    pair = SetPair(
        first=(0, 1, 2, 3), second=(4, 5, 6, 7), first_class=0, second_class=1, one_to_one=False
    )
    return head, FeaturePairs(features, [pair])


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "objective", [AccuracyMargin(weight=10.0), SoftMargin(weight=10.0, double_after=30)]
)
def test_the_released_losses_find_the_channels_that_tell_the_classes_apart(objective):
    head, pairs = known_pair()
    found = find_masks(head, pairs, settings(objective))
    assert found.converged.all()
    assert (found.masks[0, [1, 3]] > 0.85).all()
    assert (found.masks[0, [0, 2, 4]] < 0.1).all()


@pytest.mark.usefixtures("one_thread")
def test_a_one_sided_mask_is_smaller_where_one_direction_asks_less():
    head, pairs = known_pair()
    sums = {}
    for direction in ("both", "victim_to_target", "target_to_victim"):
        objective = CrossEntropyBarrier(
            alpha=0.1, weight_large=100.0, weight_small=0.0, direction=direction
        )
        sums[direction] = float(find_masks(head, pairs, settings(objective)).masks.sum())
    assert sums["victim_to_target"] == pytest.approx(sums["both"], abs=0.1)  # needs both channels
    assert sums["target_to_victim"] < 0.5  # a little less of either undoes class 1
