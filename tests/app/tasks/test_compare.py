"""The judges of a sweep side by side, from their stored records."""

import csv
import math

import pytest

from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict


def stored(root, judge, flagged, *, truth=(True, False)):
    store = ResultStore(root)
    store.claim("r", {})
    for place, (is_flagged, is_trojaned) in enumerate(zip(flagged, truth, strict=True)):
        record = ScanRecord(
            model_id=f"m{place}",
            run_id="r",
            status="done",
            verdict=Verdict.TROJANED if is_flagged else Verdict.NATURAL_ONLY,
            probability=0.9 if is_flagged else 0.2,
            scanner_flags=True,
            num_triggers=1,
            judge=judge,
            is_trojaned=is_trojaned,
            seconds={"total": math.nan},
        )
        store.write(ModelScan(record=record))


@pytest.fixture
def words(tmp_path):
    return ("task=compare", "name=sweep", f"paths.results={tmp_path}")


def test_every_judge_is_a_row_and_tested_against_exray(command, words, tmp_path):
    stored(tmp_path / "sweep" / "judge=none", "none", (True, True))
    stored(tmp_path / "sweep" / "judge=exray", "exray", (True, False))
    (tmp_path / "sweep" / "rejudged").mkdir()
    ran = command(*words)
    assert ran.status == 0, ran.err
    assert ran.out.splitlines() == [
        "exray\t1\t0\t1\t0\t1.0000",
        "none\t1\t1\t0\t0\t0.5000",
    ]
    table = (tmp_path / "sweep" / "table.md").read_text()
    assert "| none | 1 | 1 | 0 | 0 |" in table
    assert "| none - exray | 2 | 0 | 1 | 1.000 |" in table
    assert "judge=none: 2 of 2 models recorded, none failed." in table


def test_cells_of_one_judge_keep_their_names(command, words, tmp_path):
    for layer in ("middle", "last_conv"):
        stored(tmp_path / "sweep" / f"layer={layer}", "exray", (True, False))
    lines = command(*words).out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["layer=last_conv", "layer=middle"]


def test_nothing_to_compare_is_refused(command, words, tmp_path):
    assert "holds no sweep with known ground truth" in command(*words).mistake()
    stored(tmp_path / "sweep" / "judge=none", "none", (True, True), truth=(None, None))
    assert "run -m judge=A,B name=NAME first" in command(*words).mistake()


def test_a_logger_gets_the_scanner_alone_and_every_judge(command, words, tmp_path):
    stored(tmp_path / "sweep" / "judge=none", "none", (True, True))
    stored(tmp_path / "sweep" / "judge=exray", "exray", (True, False))
    ran = command(*words, "logger=lightning_csv")
    assert ran.status == 0, ran.err
    (figures,) = (tmp_path / "sweep" / "log").rglob("figures.csv")
    rows = list(csv.DictReader(figures.read_text().splitlines()))
    assert [(row["way"], row["balanced accuracy"]) for row in rows] == [
        ("scanner", "0.5"),
        ("exray", "1.0"),
        ("none", "0.5"),
    ]
    (metrics,) = (tmp_path / "sweep" / "log").rglob("metrics.csv")
    (row,) = csv.DictReader(metrics.read_text().splitlines())
    assert (row["exray/balanced_accuracy"], row["scanner/FP/high"]) == ("1.0", "1.0")
    assert command(*words).status == 0  # and the log is no cell
