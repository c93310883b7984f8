"""Matrices of trigger sizes follow from the repairs' records."""

import pandas as pd
import pytest

from exray.experiments.pair_size_tables import PairSizes
from exray.experiments.repair_tables import RepairAbout
from exray.presets import conf_folder
from exray.results.repairs import (
    PairSizeRecord,
    RepairRecord,
    RepairStore,
    RoundRecord,
    UnlearnedRecord,
)

PAPER = conf_folder().parent / "experiments" / "paper"


def stage(verdict):
    return RoundRecord(
        accuracy=0.9, verdict=verdict, probability=0.5, num_triggers=1, num_injected=1
    )


def repair(model_id, **changes):
    sizes = {(0, 1): (5.0, 90.0), (1, 0): (50.0, 80.0), (0, 2): (20.0, 60.0)}
    unlearned = UnlearnedRecord(
        victim_class=0,
        target_class=1,
        victim_name="a",
        target_name="b",
        source="patch",
        asr_before=1.0,
        asr_after=0.0,
        is_true_trigger=changes.get("is_trojaned"),
    )
    return RepairRecord(
        model_id=model_id,
        run_id="r",
        status="repaired",
        before=stage("trojaned"),
        after=stage("clean"),
        unlearned=[unlearned],
        pair_sizes=[
            PairSizeRecord(victim_class=v, target_class=t, size_before=b, size_after=a)
            for (v, t), (b, a) in sizes.items()
        ],
        **changes,
    )


@pytest.fixture
def table():
    about = RepairAbout(title="T", runs=["run"], reported="figure_21.csv", differs=[])
    return PairSizes(about=about)


@pytest.fixture
def rows(table, tmp_path):
    store = RepairStore(tmp_path / "run")
    store.write(repair("c1", is_trojaned=False))
    truth = {"trigger_kind": "patch", "trigger_reach": "1 victim", "true_asr_before": 1.0}
    store.write(repair("m1", is_trojaned=True, true_asr_after=0.05, **truth))
    return table.rows(tmp_path)


def test_a_row_is_a_pair_and_says_whether_it_was_unlearned(rows):
    assert len(rows) == 6
    flags = rows.set_index(["model_id", "victim_class", "target_class"])
    assert flags["is_unlearned"].sum() == 2
    assert flags.loc[("m1", 0, 1), "is_true_trigger"]
    assert flags["is_true_trigger"].sum() == 1


def test_both_matrices_stand_there_with_targets_as_rows(table, rows):
    text = table.markdown(rows, None)
    assert "## c1: clean" in text
    assert "## m1: patch, 1 victim" in text
    assert "|  | 0 | 1 | 2 |\n|---|---|---|---|\n| 0 | - | 50 | - |\n| 1 | 5 | - | - |" in text
    assert "| 1 | 90 | - | - |" in text
    assert "- true pair 0 > 1: before 5 px, rank 1 of 3 (mean 25 px); after 90 px, rank 3" in text
    assert "- unlearned pair 0 > 1: before 5 px" in text


def test_the_papers_pair_is_the_gray_cell(table, rows):
    text = table.markdown(rows, pd.read_csv(PAPER / "figure_21.csv"))
    assert "- paper's pair 0 > 1: before 21 px (mean 55 px); after 106 px (mean 95 px)" in text


def test_nothing_measured_is_said(table, tmp_path):
    store = RepairStore(tmp_path / "run")
    store.write(RepairRecord(model_id="m", run_id="r", status="nothing"))
    assert "No pair was measured." in table.markdown(table.rows(tmp_path), None)
