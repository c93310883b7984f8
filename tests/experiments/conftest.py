"""Cells of an experiment, and rows of its table, made by hand."""

import math
from pathlib import Path

import pandas as pd
import pytest

from exray.experiments.cells import Column, ExperimentCell
from exray.experiments.table import (
    CellTable,
    TableSettings,
)
from exray.reports.markdown import read_records


def _record(model_id, kind, scores):
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


def _cell_of(models, name="l2"):
    """A cell of models given as id, kind of trigger, and (source, score) of each trigger found."""
    records = pd.DataFrame(
        [_record(model_id, kind, [score for _, score in pairs]) for model_id, kind, pairs in models]
    ).astype({"is_trojaned": "boolean", "scanner_flags": "boolean"})
    triggers = pd.DataFrame(
        [
            {
                "model_id": model_id,
                "source": source,
                "target_class": 1,
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
def cell_of():
    return _cell_of


@pytest.fixture
def cell():
    return _cell_of(
        [
            ("p", "polygon", [("abs", 0.9), ("abs_filter", 0.2)]),
            ("f", "instagram", [("abs_filter", 0.8)]),
            ("c0", "", [("abs", 0.3), ("abs_filter", 0.7)]),
            ("c1", "", [("abs_filter", 0.6)]),
        ]
    )


@pytest.fixture
def rows(request):
    records = read_records(str(request.path.parents[1] / "reports" / "eight_records.csv"))
    shared = {"column": "polygon", "setting": math.nan}
    vanilla = records.assign(row="none", verdict="trojaned", probability=0.9, **shared)
    return pd.concat([records.assign(row="exray", **shared), vanilla])


@pytest.fixture
def table():
    column = Column(name="polygon", title="Polygon triggers", kinds=(), sources=())
    about = TableSettings(
        title="Table 1",
        run=None,
        tuning=None,
        cells=(),
        derived=(),
        columns=(column,),
        shown=("polygon",),
        reference="exray",
        reported=None,
        axis="",
        claims=True,
        apart=(),
        curves=(),
        failures=(),
        differs=(),
    )
    return CellTable(about=about, separated=(), forests=(), trees=5, alone=False, seed=0)
