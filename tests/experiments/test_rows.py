"""Rows of a table: where a judge's threshold comes from."""

from exray.experiments.cells import Column
from exray.experiments.rows import alone, frozen, separated

POLYGON = Column(name="polygon", title="Polygons", kinds=("polygon",), sources=("abs",))


FILTER = Column(name="filter", title="Filters", kinds=("instagram",), sources=("abs_filter",))


def test_the_best_separation_flags_from_the_score_that_suits_these_models(cell):
    rows, note = separated(cell.restricted(FILTER))
    assert list(rows["verdict"]) == ["trojaned", "natural-only", "natural-only"]
    assert note == "l2, best separation: score 0.750"


def test_a_frozen_threshold_comes_from_the_tuning_run(cell, cell_of):
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
