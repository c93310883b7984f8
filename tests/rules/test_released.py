"""The released rules against the conditions of the facts, written out again."""

import itertools

import pytest
import torch

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
    reached = [sum(accuracy >= bar for accuracy in crossed) for bar in (0.8, 0.9)]
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
            decision = rule.decide(measured(one, two, crossed))
            assert decision.is_injected is not by_hand(variant, one, two, crossed)
            assert (decision.score >= 0.5) == decision.is_injected
            verdicts.add(decision.is_injected)
    assert verdicts == {True, False}


def test_the_hard_rule_reads_the_hard_similarities():
    values = {**measured(0.2, 0.2, (0.0,) * 4), "hard_similarity_first": 0.95}
    assert not ReleasedRule(variant="round2_hard").decide(values).is_injected
    assert ReleasedRule(variant="round3_soft").decide(values).is_injected
