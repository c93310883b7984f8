"""Which calibration decides on a scanner's triggers, and what is said where none was fitted."""

import pytest

from exray.presets.conf import option_names
from exray.rules import calibration_files
from exray.rules.calibrated import CalibratedRule
from exray.rules.calibration import SCANNERS, SHIPPED
from exray.rules.calibration_files import (
    SHIPPED_GROUPED,
    calibrated_rule,
    read_grouped_calibration,
)
from exray.rules.grouped import GroupedRule

SHIPPED_FOR = {
    "abs": "abs_both",
    "abs_filter": "abs_filter",
    "abs_both": "abs_both",
    "abs_r2": "abs_r2",
}


def test_every_scanner_of_a_calibration_exists_and_has_one():
    assert set(SCANNERS) == {*SHIPPED, *SHIPPED_GROUPED}
    named = [scanner for scanners in SCANNERS.values() for scanner in scanners]
    assert len(set(named)) == len(named)
    assert set(named) <= set(option_names("scanner"))


@pytest.mark.parametrize(("scanner", "calibration"), SHIPPED_FOR.items())
def test_the_shipped_calibration_is_the_scanners(scanner, calibration):
    rule = calibrated_rule(file=None).for_scanner(scanner)
    assert isinstance(rule, CalibratedRule)
    assert (rule.file, rule.remarks) == (calibration, ())


def test_a_calibration_of_groups_is_its_scanners_too(grouped, written, monkeypatch):
    monkeypatch.setattr(calibration_files, "SHIPPED_GROUPED", {"portfolio": written(grouped)})
    rule = calibrated_rule(file=None).for_scanner("portfolio")
    assert isinstance(rule, GroupedRule)
    assert (rule.fingerprint, rule.remarks) == (grouped.fingerprint, ())


def test_the_portfolios_rule_knows_what_uneven_classes_would_make_of_it():
    rule = calibrated_rule(file=None).for_scanner("portfolio")
    assert isinstance(rule, GroupedRule)
    assert rule.uneven == read_grouped_calibration(SHIPPED_GROUPED["portfolio_uneven"])
    assert calibrated_rule(file="portfolio").uneven is None  # what is named is taken as it is


def test_a_scanner_without_a_calibration_gets_that_of_abs_both_and_a_remark(measured):
    rule = calibrated_rule(file=None)
    bound = rule.for_scanner("k_arm")
    (remark,) = bound.remarks
    assert "fitted on triggers of scanner=abs_both, not of k_arm" in remark
    assert bound.decide(measured()) == rule.decide(measured())
    assert bound.injects(measured()) == rule.injects(measured())
    assert bound.fingerprint == rule.fingerprint == calibrated_rule(file="abs_both").fingerprint
    assert bound.probability_without_triggers == rule.probability_without_triggers
    assert rule.remarks == ()


def test_a_calibration_that_is_named_stays_and_says_whose_it_is():
    named = calibrated_rule(file="abs_r2")
    assert named.for_scanner("abs_r2").remarks == named.remarks == ()
    (remark,) = named.for_scanner("abs_both").remarks
    assert "scanner=abs_r2, not of abs_both" in remark


def test_a_file_of_ones_own_is_nobody_elses(fitted, grouped, written):
    for calibration in (fitted, grouped):
        rule = calibrated_rule(file=str(written(calibration))).for_scanner("k_arm")
        assert (rule.fingerprint, rule.remarks) == (calibration.fingerprint, ())
