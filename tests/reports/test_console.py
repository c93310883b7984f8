import io
import json
import math

from rich.console import Console

from exray.reports.console import render_summary, time_line
from exray.results.collection import collect
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict


def rendered(store, expected=None):
    stream = io.StringIO()
    render_summary(collect(store, expected), Console(file=stream, width=140))
    return stream.getvalue()


def test_the_summary_names_triggers_warnings_failures_and_gaps(store):
    text = rendered(store, ["id-0", "id-1", "id-2"])
    assert "stop -> yield   ASR 0.97   size 143 px   similarity 0.300   natural" in text
    assert "warning: Class 3 has no images." in text
    assert "failed: CheckpointError: boom" in text
    assert "missing: id-2" in text
    assert "2 of 3 models recorded, 1 failed (id-1), 1 missing (id-2)." in text


def test_injected_triggers_come_first(store):
    text = rendered(store)
    assert text.index("injected") < text.index("natural")


def test_the_comparison_shows_all_three_rules(store):
    text = rendered(store)
    for name in (
        "scanner alone",
        "scanner + judge",
        "trivial rule: all clean",
        "Left out: 1 failed.",
    ):
        assert name in text


def test_a_run_of_one_model_prints_its_answer_and_what_to_do(store):
    assert "This model looks backdoored." not in rendered(store)
    (store.root / "id-1" / "record.json").unlink()
    text = rendered(store)
    assert text.index("This model looks backdoored.") < text.index("1. Do not use this model.")
    assert text.index("1. Do not use this model.") < text.index("stop -> yield")


def test_without_ground_truth_no_accuracy_is_given(store):
    path = store.root / "id-0" / "record.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"is_trojaned": None}))
    assert "Ground truth: unknown, so no accuracy is given." in rendered(store)


def test_where_all_failed_the_truth_is_not_called_unknown(store):
    (store.root / "id-0" / "record.json").unlink()
    assert "No classifier has a verdict, so no accuracy is given." in rendered(store)


def test_the_time_is_shared_out(store):
    line = time_line(collect(store).frame).plain
    assert "10.0 s" in line
    assert "inversion 60%, judgement 30%, the rest 10%" in line


def test_time_that_was_not_measured_is_said(store):
    (store.root / "id-0" / "record.json").unlink()
    assert time_line(collect(store).frame).plain == "Scan time: not measured."


def test_a_strangers_names_cannot_steer_the_terminal(store):
    record = ScanRecord(
        model_id="id-9",
        run_id="r1",
        status="failed",
        verdict=Verdict.FAILED,
        probability=math.nan,
        error_line="\x1b[2J[red]gone[/red]\n",
    )
    store.write(ModelScan(record=record))
    assert "?[2J[red]gone[/red]?" in rendered(store)
    assert "\x1b" not in rendered(store)


def test_what_was_tried_is_said_in_a_line(searched):
    text = rendered(searched)
    assert "tried: 26 candidates in 2 searches, 0 found; strongest: patch -2.3" in text
