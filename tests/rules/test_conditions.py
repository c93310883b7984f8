"""Conditions against plain comparisons over a grid; margins change sign where verdicts change."""

import itertools
import math

import pytest

from exray.rules.conditions import above, all_of, any_of, at_least, injected_score, most_of

GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
BAR = 0.5


@pytest.mark.parametrize("values", list(itertools.product(GRID, repeat=3)))
def test_combinations_are_those_of_plain_comparisons(values):
    conditions = [at_least(value, BAR) for value in values]
    reached = [value >= BAR for value in values]
    assert all_of(*conditions).holds == all(reached)
    assert any_of(*conditions).holds == any(reached)
    for count in (1, 2, 3):
        combined = most_of(count, *conditions)
        assert combined.holds == (sum(reached) >= count)
        assert combined.margin == sorted(values)[-count] - BAR  # the one that decides
        assert combined.holds == (combined.margin >= 0)


def test_only_one_of_the_two_comparisons_holds_at_the_threshold():
    assert (above(BAR, BAR).holds, at_least(BAR, BAR).holds) == (False, True)
    assert above(math.nextafter(BAR, 1), BAR).holds
    assert not at_least(math.nextafter(BAR, 0), BAR).holds


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("compare", [above, at_least])
def test_the_score_falls_from_one_to_zero_and_crosses_one_half_with_the_verdict(compare, threshold):
    values = [*(step / 100 for step in range(101)), threshold, math.nextafter(threshold, 1)]
    conditions = [compare(value, threshold) for value in sorted(values)]
    scores = [injected_score(condition, threshold=threshold) for condition in conditions]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1
    assert scores[-1] == pytest.approx(0, abs=1e-12)
    assert [score < 0.5 for score in scores] == [condition.holds for condition in conditions]
