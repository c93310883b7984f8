"""Figures apart by factor: clean models are set against every kind of trigger."""

import numpy as np
import pandas as pd
import pytest

from exray.evaluation.breakdown import by_factor


@pytest.fixture
def frame():
    trojaned = [True] * 8 + [False] * 4
    kinds = ["polygon", "filter"] * 4 + [""] * 4
    return pd.DataFrame(
        {
            "model_id": [f"m{place}" for place in range(12)],
            "status": "done",
            "verdict": ["trojaned"] * 6 + ["clean"] * 5 + ["trojaned"],
            "probability": np.linspace(1, 0, 12),
            "architecture": ["vgg", "resnet", "vgg"] * 4,
            "num_classes": [5] * 4 + [10] * 8,
            "is_trojaned": pd.array(trojaned, dtype="boolean"),
            "trigger_kind": kinds,
            "trigger_reach": ["universal", "1 victim"] * 4 + [""] * 4,
            "trigger_size": [*range(10, 90, 10), *[np.nan] * 4],
        }
    )


def test_levels_partition_the_models(frame):
    by_level = {row.name: row.counts for row in by_factor(frame, "architecture", resamples=10)}
    assert {name: counts.total for name, counts in by_level.items()} == {"resnet": 4, "vgg": 8}
    names = [row.name for row in by_factor(frame, "num_classes", resamples=10)]
    assert names == ["5 classes", "10 classes"]


@pytest.mark.parametrize(
    ("factor", "levels"),
    [("trigger_kind", ("filter", "polygon")), ("trigger_reach", ("1 victim", "universal"))],
)
def test_each_kind_and_reach_of_trigger_is_set_against_all_clean_models(frame, factor, levels):
    rows = by_factor(frame, factor, resamples=10)
    assert tuple(row.name for row in rows) == levels
    for row in rows:
        assert (row.counts.tp, row.counts.fn, row.counts.fp, row.counts.tn) == (3, 1, 1, 3)


def test_sizes_are_cut_into_quarters(frame):
    rows = by_factor(frame, "trigger_size", resamples=10)
    assert [row.name for row in rows] == [
        "10 to 20 px", "30 to 40 px", "50 to 60 px", "70 to 80 px",
    ]  # fmt: skip
    assert [row.counts.tp for row in rows] == [2, 2, 2, 0]
    assert all(row.counts.fp == 1 for row in rows)


def test_one_size_is_one_level(frame):
    same = frame.assign(trigger_size=frame["trigger_size"].where(frame["trigger_size"].isna(), 7.0))
    (row,) = by_factor(same, "trigger_size", resamples=10)
    assert row.name == "7 to 7 px"


def test_a_factor_that_the_records_do_not_know_gives_nothing(frame):
    assert by_factor(frame.drop(columns="trigger_kind"), "trigger_kind") == []
    assert by_factor(frame.assign(trigger_size=np.nan), "trigger_size") == []
    with pytest.raises(ValueError, match=r"factor must be one of architecture, .*; got 'colour'"):
        by_factor(frame, "colour")
