"""Rows of the paper's tables from stored records: columns, protocols, claims."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exray.evaluation.predictions import scanner_alone, with_judge
from exray.evaluation.rejudging.sweeps import SizeSweep
from exray.experiments.cells import Column, ExperimentCell
from exray.experiments.claims import goals_beyond, paper_claims
from exray.experiments.rows import alone, frozen, is_applicable, separated
from exray.experiments.table import CellTable, DerivedCell, StoredTable, TableSettings
from exray.rules.base import CROSS
from exray.rules.paper import PaperRule

POLYGON = Column(name="polygon", title="Polygons", kinds=("polygon",), sources=("abs",))
FILTER = Column(name="filter", title="Filters", kinds=("instagram",), sources=("abs_filter",))
ALL = Column(name="all", title="All", kinds=(), sources=())


def record(model_id, kind, scores):
    return {
        "model_id": model_id,
        "judge": "l2",
        "scanner": "abs_both",
        "layer": "middle",
        "is_trojaned": bool(kind),
        "verdict": "trojaned" if max(scores, default=0) >= 0.5 else "natural-only",
        "probability": max(scores, default=0.1),
        "scanner_flags": bool(scores),
        "num_triggers": len(scores),
        "num_injected": sum(score >= 0.5 for score in scores),
        "trigger_kind": kind,
        "trigger_reach": "1 victim" if kind else "",
        "trigger_size": math.nan,
        "architecture": "signs_resnet",
        "num_classes": 8,
        "status": "done",
        "error_line": "",
        "seconds": 1.0,
        "inversion_seconds": 0.5,
        "judgement_seconds": 0.5,
    }


def cell_of(models, name="l2"):
    """A cell of models given as id, kind of trigger, and (source, score) of each trigger found."""
    records = pd.DataFrame(
        [record(model_id, kind, [score for _, score in pairs]) for model_id, kind, pairs in models]
    ).astype({"is_trojaned": "boolean", "scanner_flags": "boolean"})
    triggers = pd.DataFrame(
        [
            {
                "model_id": model_id,
                "source": source,
                "score": score,
                "is_injected": score >= 0.5,
                "size_pixels": 100 * score,
            }
            for model_id, _, pairs in models
            for source, score in pairs
        ]
    )
    return ExperimentCell(
        name=name,
        folder=Path("exray"),
        records=records,
        triggers=triggers,
        setting=math.nan,
        probability_without_triggers=0.1,
        caption="",
    )


@pytest.fixture
def cell():
    return cell_of(
        [
            ("p", "polygon", [("abs", 0.9), ("abs_filter", 0.2)]),
            ("f", "instagram", [("abs_filter", 0.8)]),
            ("c0", "", [("abs", 0.3), ("abs_filter", 0.7)]),
            ("c1", "", [("abs_filter", 0.6)]),
        ]
    )


def about(**changes):
    settings = TableSettings(
        title="A table",
        run=None,
        tuning=None,
        cells=(),
        derived=(),
        columns=(POLYGON, FILTER, ALL),
        shown=("polygon", "filter"),
        reference="exray",
        reported=None,
        axis="",
        claims=True,
        apart=(),
        curves=(),
        failures=(),
        differs=(),
    )
    return replace(settings, **changes)


def cell_table(**changes):
    values = {"separated": (), "forests": (), "trees": 5, "alone": False, "seed": 0}
    return CellTable(about=about(), **(values | changes))


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


def test_the_best_separation_flags_from_the_score_that_suits_these_models(cell):
    rows, note = separated(cell.restricted(FILTER))
    assert list(rows["verdict"]) == ["trojaned", "natural-only", "natural-only"]
    assert note == "l2, best separation: score 0.750"


def test_a_frozen_threshold_comes_from_the_tuning_run(cell):
    tuning = cell_of(
        [("t", "instagram", [("abs_filter", 0.66)]), ("u", "", [("abs_filter", 0.64)])]
    )
    rows, note = frozen(cell.restricted(FILTER), FILTER, {"l2": tuning}, seed=0)
    assert list(rows["verdict"]) == ["trojaned", "trojaned", "natural-only"]
    assert note.endswith("chosen on the tuning run")
    _, without = frozen(cell.restricted(FILTER), FILTER, {}, seed=0)
    assert without.endswith("no tuning run, so chosen on the other half")


def test_the_scanner_alone_flags_whatever_has_a_trigger(cell):
    rows = alone(cell.restricted(POLYGON))
    assert list(rows["verdict"]) == ["trojaned", "trojaned", "clean"]
    assert rows["probability"].isna().all()


def test_a_judge_that_cannot_judge_a_column_has_no_row_there(cell):
    triggers = cell.triggers.assign(
        m_applicable=np.where(cell.triggers["source"] == "abs", np.nan, 0.0)
    )
    dissected = replace(cell, triggers=triggers)
    assert is_applicable(dissected.restricted(POLYGON))
    frame, notes = cell_table().frame([dissected], {})
    assert set(frame["column"]) == {"polygon"}
    assert notes == ["Filters: l2 is not applicable to any of these triggers"]


def test_an_open_threshold_gives_a_row_for_each_protocol(cell):
    frame, _ = cell_table(separated=("l2",), alone=True).frame([cell], {})
    polygon = frame[frame["column"] == "polygon"]
    names = ["l2, scanner alone", "l2, best separation", "l2, frozen threshold"]
    assert list(polygon["row"].unique()) == names
    assert len(frame) == 2 * 3 * 3


def test_a_stored_table_has_a_row_for_each_way_and_its_setting(cell):
    table = StoredTable(
        about=about(axis="up to"), rejudgement=SizeSweep(name="sizes", bounds=(50.0, 95.0))
    )
    frame, _ = table.frame([cell], {})
    own = frame[(frame["column"] == "polygon") & (frame["row"] == "judged, up to 50 px")]
    assert with_judge(own).counts.tp == 0
    assert set(frame["setting"]) == {50.0, 95.0}


def differenced(cell, similarities):
    """The cell's triggers with measurements, whose similarities speak for one kind or the other."""
    cross = {f"m_{name}": 0.1 for name in CROSS}
    both = {"m_converged_victim_target": 1.0, "m_converged_victim_stamped": 1.0}
    triggers = cell.triggers.assign(m_similarity=similarities, **cross, **both)
    return replace(cell, triggers=triggers)


def test_another_rule_decides_on_stored_measurements(cell):
    measured = differenced(cell, [0.9, 0.9, 0.6, 0.9, 0.9, 0.9])
    derived = DerivedCell(
        name="strict",
        cell="l2",
        rule=PaperRule(similarity_threshold=0.8, cross_threshold=0.8, additional_check=False),
    )
    table = CellTable(
        about=about(derived=(derived,), shown=("all",)),
        separated=(),
        forests=(),
        trees=5,
        alone=False,
        seed=0,
    )
    frame, _ = table.frame([measured], {})
    own = frame[frame["row"] == "strict"]
    assert list(own["model_id"][own["verdict"] == "trojaned"]) == ["f"]
    assert list(own["scanner_flags"]) == [True] * 4
    assert set(own["judge"]) == {"strict"}
    assert list(own["probability"] >= 0.5) == [False, True, False, False]


def test_a_rule_cannot_decide_on_what_was_not_measured(cell):
    rule = PaperRule(similarity_threshold=0.8, cross_threshold=0.8)
    with pytest.raises(ValueError, match="rejudge a run of judge=exray"):
        cell.redecided(rule, "strict")


def test_records_of_one_kind_make_no_table(cell):
    clean = replace(cell, records=cell.records[2:])
    with pytest.raises(ValueError, match="no column has both trojaned and clean models"):
        cell_table().frame([clean], {})


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"shown must name columns of polygon, filter, all; got"):
        about(shown=("patch",))


def rows_named(name, flagged, truth=(True,) * 4 + (False,) * 6):
    """Rows of ten models that the scanner all flags."""
    models = [
        (f"m{place}", "polygon" if is_trojaned else "", [])
        for place, is_trojaned in enumerate(truth)
    ]
    rows = cell_of([*models]).records.assign(row=name, setting=math.nan, scanner_flags=True)
    verdicts = ["trojaned" if is_flagged else "natural-only" for is_flagged in flagged]
    return rows.assign(verdict=verdicts, probability=np.where(flagged, 0.9, 0.1))


def flags(tp, fp):
    return [place < tp for place in range(4)] + [place < fp for place in range(6)]


def claimed(claims):
    return {claim.text.partition(" (")[0]: claim.holds for claim in claims}


def test_the_papers_claims_are_held_against_the_rows():
    rows = pd.concat(
        [
            rows_named("exray", flags(3, 1)),
            rows_named("l2, best separation", flags(4, 2)),
            rows_named("l2, frozen threshold", flags(1, 6)),
            rows_named("one_sided_v_to_t", flags(3, 2)),
        ]
    )
    assert scanner_alone(rows[rows["row"] == "exray"]).counts.fp == 6
    assert claimed(paper_claims(rows)) == {
        "exray removes 78 % or more of the false positives": True,
        "exray loses 30 % or less of the true positives": True,
        "exray gains 17 points of accuracy or more": True,
        "exray beats every baseline, at the best separation": False,
        "exray beats every baseline, thresholds frozen": True,
        "symmetric beats one-sided": True,
    }


def test_thresholds_chosen_alike_are_compared_too():
    rows = pd.concat(
        [
            rows_named("exray", flags(3, 1)),
            rows_named("exray, best separation", flags(4, 0)),
            rows_named("exray, frozen threshold", flags(1, 5)),
            rows_named("l2, best separation", flags(4, 1)),
            rows_named("l2, frozen threshold", flags(2, 5)),
        ]
    )
    held = claimed(paper_claims(rows))
    assert held["exray beats every baseline, at the best separation"] is False
    assert held["exray beats every baseline, at the best separation, its own too"] is True
    assert held["exray beats every baseline, thresholds frozen"] is True
    assert held["exray beats every baseline, thresholds frozen, its own too"] is False


def test_claims_without_rows_say_nothing():
    rows = rows_named("exray", flags(1, 4))
    held = claimed(paper_claims(rows))
    assert held["exray removes 78 % or more of the false positives"] is False
    assert held["symmetric beats one-sided"] is None
    assert paper_claims(rows_named("l2", flags(1, 1))) == []


def test_the_goals_beyond_are_those_of_the_calibrated_judge():
    good = claimed(goals_beyond(rows_named("exray_calibrated", flags(4, 0))))
    assert len(good) == 5
    assert all(good.values())
    bad = claimed(goals_beyond(rows_named("exray_calibrated", flags(2, 3))))
    assert not any(bad.values())
    assert goals_beyond(rows_named("exray", flags(4, 0))) == []
