"""The rule of groups: a model's triggers are decided on together."""

import math
from dataclasses import replace

import pytest

from exray.rules.calibration import logistic
from exray.rules.grouped import GroupedRule

PATCH = {"is_patch": 1.0, "is_universal": 1.0}
PAIR = {"is_patch": 1.0, "is_universal": 0.0}


def test_the_highest_score_is_the_models_probability(grouped):
    rows = [{**PATCH, "strength": 4.0}, {**PAIR, "strength": 1.0, "reverse_strength": 0.0}]
    decisions = GroupedRule(calibration=grouped).decide_model(rows, [2, 3])
    log_odds = [decision.measurements["log_odds"] for decision in decisions]
    assert log_odds == [-1.0 + 2.0, -2.0 + 0.5 + 0.75]
    # slope 1 and threshold 0: the probability is the noisy-or's, each target's odds halved
    alone = [logistic(value - math.log(2)) for value in log_odds]
    assert decisions[0].score == pytest.approx(1 - (1 - alone[0]) * (1 - alone[1]))
    assert decisions[1].score == pytest.approx(alone[1])
    assert [decision.is_injected for decision in decisions] == [True, False]


def test_the_same_target_twice_adds_nothing(grouped):
    rows = [{**PATCH, "strength": 4.0}, {**PATCH, "strength": 3.0}]
    decisions = GroupedRule(calibration=grouped).decide_model(rows, [2, 2])
    assert decisions[0].score == pytest.approx(logistic(1.0))


def test_of_more_triggers_the_maximum_says_less(grouped):
    level = replace(grouped.model, combination="maximum", count_weight=-1.0)
    rule = GroupedRule(calibration=replace(grouped, model=level))
    strong, weak = {**PATCH, "strength": 4.0}, {**PATCH, "strength": -4.0}
    scores = [rule.decide_model([strong] + [weak] * n, range(n + 1))[0].score for n in (0, 1, 5)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.5 > scores[-1]


def test_groups_are_stacked_by_their_weights_and_count_by_their_strongest(grouped):
    level = replace(grouped.model, combination="stacked", threshold=1.0)
    weights = zip(grouped.groups, (2.0, 0.5), strict=True)
    groups = tuple(replace(group, weight=weight) for group, weight in weights)
    rule = GroupedRule(calibration=replace(grouped, model=level, groups=groups))
    rows = [
        {**PATCH, "strength": 4.0},
        {**PATCH, "strength": 2.0},
        {**PAIR, "strength": 9.0},
    ]
    decisions = rule.decide_model(rows, [2, 5, 3])
    softplus = [math.log1p(math.exp(d.measurements["log_odds"])) for d in decisions]
    together = 2 * softplus[0] + 0.5 * softplus[2]
    assert decisions[0].score == pytest.approx(logistic(together - 1))
    assert decisions[1].score == pytest.approx(logistic(2 * softplus[1] - 1))
    assert decisions[2].score == pytest.approx(logistic(0.5 * softplus[2] - 1))


def test_the_reason_has_the_strongest_push_first_and_leaves_out_what_does_not_apply(grouped):
    rule = GroupedRule(calibration=grouped)
    row = {**PAIR, "strength": 3.0, "reverse_strength": 8.0}
    assert rule.decide(row).reason == (
        "natural: with the model's other triggers 6% likely to be injected; as a pair patch by "
        "itself 6%, log-odds from the strength from target to victim -2.2, its strength on "
        "held-out images +1.5"
    )
    assert "reverse" not in rule.decide({**PAIR, "strength": 3.0}).reason
    assert rule.decide(row).measurements["push_reverse_strength"] == pytest.approx(-2.25)


def test_nothing_is_decided_of_no_trigger_and_an_unknown_search_is_named(grouped):
    rule = GroupedRule(calibration=grouped)
    assert rule.decide_model([], []) == []
    assert rule.probability_without_triggers == 0.2
    with pytest.raises(ValueError, match="no triggers of the search warp; it has: universal patch"):
        rule.decide({"is_warp": 1.0, "is_universal": 1.0})
    with pytest.raises(ValueError, match="no triggers of this scanner; it has"):
        rule.injects({"strength": 9.0})


def test_masks_are_used_only_where_a_group_weighs_them(grouped):
    rule = GroupedRule(calibration=grouped)
    assert (rule.needs_masks, rule.uses_masks) == (False, False)
    first = grouped.groups[0]
    term = replace(first.terms[0], feature="similarity", weight=-1.0)
    weighed = replace(grouped, groups=(replace(first, terms=(term,)),))
    assert GroupedRule(calibration=weighed).uses_masks
    assert (rule.weighs("strength"), rule.weighs("steadiness")) == (True, False)
