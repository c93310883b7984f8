"""Columns of a table: which models and triggers count, and what follows for the models."""

from dataclasses import replace

import pytest

from exray.experiments.cells import Column
from exray.rules.paper import PaperRule

POLYGON = Column(name="polygon", title="Polygons", kinds=("polygon",), sources=("abs",))


FILTER = Column(name="filter", title="Filters", kinds=("instagram",), sources=("abs_filter",))


ALL = Column(name="all", title="All", kinds=(), sources=())


def test_a_column_holds_its_kind_and_all_clean_models(cell):
    assert list(cell.restricted(POLYGON).records["model_id"]) == ["p", "c0", "c1"]
    assert list(cell.restricted(FILTER).records["model_id"]) == ["f", "c0", "c1"]
    assert len(cell.restricted(ALL).records) == 4


def test_only_triggers_of_a_columns_scanner_count(cell):
    records = cell.restricted(POLYGON).records
    assert list(records["verdict"]) == ["trojaned", "natural-only", "clean"]
    assert list(records["probability"]) == [0.9, 0.3, 0.1]
    assert list(records["scanner_flags"]) == [True, True, False]
    assert list(cell.restricted(FILTER).records["verdict"]) == ["trojaned"] * 3


def test_triggers_of_a_single_scanner_count_whatever_its_name(cell):
    triggers = cell.triggers[cell.triggers["source"] == "abs"].assign(source="external")
    records = replace(cell, triggers=triggers).restricted(POLYGON).records
    assert list(records["verdict"]) == list(cell.records["verdict"][[0, 2, 3]])


def test_failed_and_inconclusive_models_keep_their_verdicts(cell):
    records = cell.records.copy()
    records.loc[2, ["status", "verdict"]] = ["failed", "failed"]
    records.loc[3, ["verdict", "probability"]] = ["inconclusive", 0.5]
    restricted = replace(cell, records=records).restricted(POLYGON).records
    assert list(restricted["verdict"]) == ["trojaned", "failed", "inconclusive"]
    assert list(restricted["probability"])[2] == 0.5


def test_a_rule_cannot_decide_on_what_was_not_measured(cell):
    rule = PaperRule(similarity_threshold=0.8, cross_threshold=0.8)
    with pytest.raises(ValueError, match="rejudge a run of judge=exray"):
        cell.redecided(rule, "strict")


def test_a_column_may_hold_one_option_of_its_kind_alone(cell):
    column = replace(POLYGON, options=("weight 10",))
    records = cell.records.assign(trigger_option=["weight 10", "weight 10", "", ""])
    assert len(replace(cell, records=records).restricted(column).records) == 3
    other = records.assign(trigger_option=["weight 100", "weight 10", "", ""])
    assert len(replace(cell, records=other).restricted(column).records) == 2
