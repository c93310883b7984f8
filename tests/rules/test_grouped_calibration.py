"""Calibrations of groups: their arithmetic, their limits, and files that are none."""

import json
import math
from dataclasses import replace

import pytest

from exray.rules.calibration import logistic
from exray.rules.calibration_files import (
    SHIPPED_GROUPED,
    calibrated_rule,
    read_grouped_calibration,
)
from exray.rules.grouped import IF_UNEVEN, GroupedRule
from exray.rules.grouped_calibration import Fallback, clipped, evidence_of
from exray.rules.trigger_groups import EvidenceTerm


def test_a_noisy_or_is_that_of_the_best_triggers_of_distinct_targets():
    log_odds, targets = [0.3, -1.0, -0.5, -40.0], [3, 3, 7, 8]
    prior = math.log(3)
    none = math.prod(1 - logistic(value - prior) for value in (0.3, -0.5, -40.0))
    expected = math.log((1 - none) / none)
    assert evidence_of(log_odds, targets, "noisy_or") == pytest.approx(expected)
    assert evidence_of(log_odds, targets, "maximum") == 0.3
    assert evidence_of([0.3, -1.0], [3, 3], "noisy_or") == 0.3
    extreme = evidence_of([900.0, -900.0], [0, 1], "noisy_or")
    assert extreme == pytest.approx(900.0 - math.log(2))
    assert evidence_of([-900.0, -900.0], [0, 1], "noisy_or") < -600


def test_many_targets_that_say_nothing_say_nothing_together():
    assert abs(evidence_of([0.0] * 40, range(40), "noisy_or")) < 0.6


def test_no_probability_is_nearer_to_the_ends_than_the_zoo_supports(grouped):
    assert grouped.probability(800.0) == pytest.approx(1 - 1 / 42)
    assert grouped.probability(-800.0) == pytest.approx(1 / 42)
    assert clipped(0.3, 40) == 0.3


def test_the_models_log_odds_are_zero_at_the_threshold_and_sink_with_the_count(grouped):
    level = replace(grouped.model, count_weight=-0.5, threshold=2.0, slope_below=0.25)
    assert level.log_odds(2.0, 1) == 0
    assert level.log_odds(3.5, 1) == 1.5
    assert level.log_odds(2.0, 8) == pytest.approx(-0.5 * math.log(8) * 0.25)


def test_a_calibration_comes_back_from_its_file_and_only_its_numbers_are_hashed(grouped, written):
    noted = replace(grouped, provenance={"runs": {"a": 1}})
    path = written(noted)
    assert read_grouped_calibration(path) == noted
    assert noted.fingerprint == grouped.fingerprint
    assert replace(grouped, num_models=41).fingerprint != grouped.fingerprint
    rule = calibrated_rule(file=str(path))
    assert isinstance(rule, GroupedRule)
    assert rule.fingerprint == grouped.fingerprint


def test_a_model_that_lacks_a_measurement_is_decided_by_the_fallback(grouped, written):
    pairs = replace(grouped, groups=(replace(grouped.groups[1], terms=(), bias=1.0),))
    both = replace(
        grouped, fallback=Fallback(lacking=("target_rise", "heaviest_class"), calibration=pairs)
    )
    path = written(both)
    assert read_grouped_calibration(path) == both
    assert len({grouped.fingerprint, pairs.fingerprint, both.fingerprint}) == 3
    row = {"is_patch": 1.0, "is_universal": 0.0, "strength": 9.0, "target_rise": math.nan}
    rule = calibrated_rule(file=str(path))
    alone = GroupedRule(calibration=pairs).decide(row).score
    assert rule.decide(row).score == alone != GroupedRule(calibration=grouped).decide(row).score
    assert rule.decide(row).reason.endswith("; not measured: target_rise, heaviest_class")
    # one of a model's triggers that has one of the measurements is enough
    told = [row, {**row, "heaviest_class": 0.0}]
    usual = GroupedRule(calibration=grouped).decide_model(told, [0, 1])
    said = rule.decide_model(told, [0, 1])
    assert [one.score for one in said] == [one.score for one in usual]
    assert "not measured" not in said[0].reason


def test_what_uneven_classes_would_make_of_it_is_stored_and_decides_nothing(grouped):
    other = replace(grouped, groups=tuple(replace(one, bias=-3.0) for one in grouped.groups))
    row = {"is_patch": 1.0, "is_universal": 0.0, "strength": 9.0}
    rows, targets = [row, {**row, "strength": 2.0}], [0, 1]
    plain = GroupedRule(calibration=grouped)
    both = GroupedRule(calibration=grouped, uneven=other)
    said = both.decide_model(rows, targets)
    alone = GroupedRule(calibration=other).decide_model(rows, targets)
    assert [one.score for one in said] == [one.score for one in plain.decide_model(rows, targets)]
    assert [one.measurements[IF_UNEVEN] for one in said] == [one.score for one in alone]
    assert IF_UNEVEN not in plain.decide(row).measurements
    assert both.fingerprint != plain.fingerprint


def test_the_facts_are_of_what_decided(grouped):
    provenance = {"left_out": {"FPR": 0.1}, "fallback": {"left_out": {"FPR": 0.3}}}
    both = replace(
        grouped,
        fallback=Fallback(lacking=("target_rise",), calibration=grouped),
        provenance=provenance,
    )
    rule = GroupedRule(calibration=both)
    rates = [
        rule.calibration_facts(rows)["false_positive_rate"]
        for rows in ([], [{"target_rise": 1.0}], [{"target_rise": math.nan}, {}])
    ]
    assert rates == [0.1, 0.1, 0.3]


@pytest.mark.parametrize(
    ("lacking", "problem"),
    [
        ((), r"lacking must name measurements, of .*; got \[\]"),
        (("colour",), r"got \['colour'\]"),
        (("strength",), "must do without what is lacking; it weighs strength"),
    ],
)
def test_a_fallback_does_without_what_is_lacking(grouped, lacking, problem):
    with pytest.raises(ValueError, match=problem):
        Fallback(lacking=lacking, calibration=grouped)


def test_a_fallback_has_none_of_its_own(grouped):
    once = replace(grouped, fallback=Fallback(lacking=("target_rise",), calibration=grouped))
    with pytest.raises(ValueError, match="a fallback must have none of its own"):
        Fallback(lacking=("target_rise",), calibration=once)


def test_the_format_decides_the_rule(fitted, written):
    assert calibrated_rule(file=str(written(fitted))).fingerprint == fitted.fingerprint


@pytest.mark.parametrize("path", SHIPPED_GROUPED.values(), ids=list(SHIPPED_GROUPED))
def test_a_shipped_calibration_says_where_it_comes_from(path):
    if not path.is_file():
        pytest.skip("not shipped yet")
    provenance = read_grouped_calibration(path).provenance
    assert {"num_models", "transfers", "left_out", "command", "threshold"} <= set(provenance)
    assert provenance["half"] != "reporting"


def with_term(numbers, **changes):
    """The numbers with a change of the first group's first term."""
    groups = json.loads(json.dumps(numbers["groups"]))
    groups[0]["terms"][0] |= changes
    return {"groups": groups}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": 3}, "format must be 1; got 3"),
        ({"groups": []}, "groups must hold one or more"),
        (lambda numbers: {"groups": numbers["groups"][:1] * 2}, "each with its own name"),
        ({"more": 1}, "there is no 'more'"),
        ({"num_models": 0}, "num_models must be 1 or more; got 0"),
        ({"num_models": "9"}, "num_models: expected `int`"),
        ({"without_triggers": 0.5}, r"must lie in \(0, 0.5\); got 0.5"),
        ({"without_triggers": math.nan}, "must be a number; got nan"),
        ({"model": {"combination": "sum"}}, "combination must be"),
        (
            lambda numbers: {"model": numbers["model"] | {"slope_above": 0.0}},
            "slope_above must be above 0",
        ),
        (
            lambda numbers: {"model": numbers["model"] | {"slope_below": math.inf}},
            "slope_below must be a num",
        ),
        (
            lambda numbers: {"model": numbers["model"] | {"count_weight": 0.1}},
            "count_weight must be 0 or less",
        ),
        (
            lambda numbers: {"model": numbers["model"] | {"false_positive_rate": 1.0}},
            r"false_positive_rate must lie in \(0, 1\)",
        ),
        (
            lambda numbers: with_term(numbers, weight=-1.0),
            "strength in 'universal patch' must be 0",
        ),
        (lambda numbers: with_term(numbers, feature="os.system"), "feature must be one of"),
        (lambda numbers: with_term(numbers, scale=0.0), "scale of strength must be above 0"),
        (lambda numbers: with_term(numbers, extra=1), "there is no 'extra'"),
        (
            lambda numbers: {"groups": [numbers["groups"][0] | {"searches": []}]},
            "must name its searches",
        ),
    ],
)
def test_a_file_that_is_no_calibration_is_refused_in_one_line(tmp_path, grouped, change, problem):
    numbers = grouped.to_dict()
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(numbers | (change(numbers) if callable(change) else change)))
    with pytest.raises(ValueError, match=rf"holds no calibration \(.*{problem}") as refused:
        calibrated_rule(file=str(path))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_missing_broken_or_huge_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no calibration at"):
        calibrated_rule(file=str(tmp_path / "none.json"))
    path = tmp_path / "fit.json"
    for content in (b"{", b"[]", b"\xff", b"[" * 50000, b'{"format": 2}'):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="holds no calibration"):
            calibrated_rule(file=str(path))
    path.write_bytes(b" " * 70000)
    with pytest.raises(ValueError, match="too large for a calibration"):
        calibrated_rule(file=str(path))


def test_what_is_far_from_everything_fitted_on_says_no_more_than_three_deviations():
    term = EvidenceTerm(feature="strength", weight=2.0, centre=0.0, scale=1.0)
    assert (term.push({"strength": 1e9}), term.push({"strength": -1e9})) == (6.0, -6.0)
