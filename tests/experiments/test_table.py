"""Rows of the paper's tables from stored records: which rows there are, and whose verdicts."""

from dataclasses import replace

import numpy as np
import pytest

from exray.evaluation.predictions import with_judge
from exray.evaluation.rejudging.sweeps import SizeSweep
from exray.experiments.cells import Column
from exray.experiments.rows import is_applicable
from exray.experiments.table import CellTable, DerivedCell, StoredTable, TableSettings
from exray.rules.base import CROSS
from exray.rules.paper import PaperRule

POLYGON = Column(name="polygon", title="Polygons", kinds=("polygon",), sources=("abs",))
FILTER = Column(name="filter", title="Filters", kinds=("instagram",), sources=("abs_filter",))
ALL = Column(name="all", title="All", kinds=(), sources=())


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


def test_a_derived_cell_with_an_open_threshold_keeps_its_own_verdicts(cell):
    measured = differenced(cell, [0.9, 0.9, 0.6, 0.9, 0.9, 0.9])
    rule = PaperRule(similarity_threshold=0.8, cross_threshold=0.8, additional_check=False)
    derived = DerivedCell(name="strict", cell="l2", rule=rule)
    table = CellTable(
        about=about(derived=(derived,), shown=("all",)),
        separated=("l2", "strict"),
        forests=(),
        trees=5,
        alone=False,
        seed=0,
    )
    frame, notes = table.frame([measured], {})
    protocols = ["best separation", "frozen threshold"]
    run, own = ([f"{name}, {protocol}" for protocol in protocols] for name in ("l2", "strict"))
    assert list(frame["row"].unique()) == [*run, "strict", *own]
    decided = frame[frame["row"] == "strict"]
    assert list(decided["model_id"][decided["verdict"] == "trojaned"]) == ["f"]
    assert len(notes) == 4


def test_records_of_one_kind_make_no_table(cell):
    clean = replace(cell, records=cell.records[2:])
    with pytest.raises(ValueError, match="no column has both trojaned and clean models"):
        cell_table().frame([clean], {})


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"shown must name columns of polygon, filter, all; got"):
        about(shown=("patch",))
