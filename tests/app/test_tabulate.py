"""Tables and figures of the paper from stored records, and from a sweep in one command."""

import math
import subprocess
import sys

import pytest

from exray.evaluation.records import ScanRecord, TriggerRecord, Verdict
from exray.evaluation.store import ResultStore

CROSS = ("victim_into_target", "target_into_victim", "victim_into_stamped", "stamped_into_victim")
CALIBRATED = {"entropy_stamped_target": 0.1, "whole_image": 0.0, "size_share": 0.01}


def trigger(similarity):
    cross = {f"cross_{name}": 0.1 for name in CROSS}
    converged = {f"converged_victim_{name}": 1.0 for name in ("target", "stamped")}
    return TriggerRecord(
        index=0,
        victim_class=0,
        target_class=1,
        victim_name="stop",
        target_name="yield",
        source="abs",
        asr=1.0,
        target_probability=0.9,
        size_pixels=60.0,
        is_injected=similarity <= 0.8,
        score=1 - similarity,
        reason="",
        measurements={"similarity": similarity, **cross, **converged, **CALIBRATED},
    )


def store_cell(root, judge, models, *, zoo="signs", seed=100, reserved=False):
    store = ResultStore(root / f"judge={judge}")
    recipe = {"num_clean": 2, "num_polygon": 2, "num_filter": 3, "num_classes": 8, "seed": seed}
    settings = {"scan": {"probability_without_triggers": 0.1}, "dataset": {"recipe": recipe}}
    store.claim("r", settings)
    for model_id, is_trojaned, similarity in models:
        found = trigger(similarity)
        record = ScanRecord(
            model_id=model_id,
            run_id="r",
            status="done",
            verdict=Verdict.TROJANED if found.is_injected else Verdict.NATURAL_ONLY,
            probability=found.score,
            scanner_flags=True,
            num_triggers=1,
            num_injected=int(found.is_injected),
            dataset=zoo,
            scanner="abs",
            layer="middle",
            judge=judge,
            is_trojaned=is_trojaned,
            truth={"trigger": "polygon" if is_trojaned else None, "reserved": reserved},
            seconds={"inversion": 2.0, "judgement": 1.0, "total": math.nan},
        )
        store.write(record, [found], {})


@pytest.fixture
def words(tmp_path):
    models = [("a", True, 0.6), ("b", True, 0.75), ("c", False, 0.7), ("d", False, 0.95)]
    for judge in ("none", "exray"):
        store_cell(tmp_path / "results" / "table_1", judge, models)
    return (f"paths.results={tmp_path / 'results'}", f"paths.experiments={tmp_path / 'out'}")


def test_a_figure_is_made_from_stored_measurements(command, words, tmp_path):
    ran = command("experiment=figure_19", *words)
    assert ran.status == 0, ran.err
    first, *_ = ran.out.splitlines()
    assert first == "polygon\tbeta 0.7, gamma 0.8\t1\t1\t1\t1\t0.5000"
    folder = tmp_path / "out" / "figure_19"
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "polygon.png",
        "records.csv",
        "table.md",
    }
    assert "| beta 0.7, gamma 0.8 | 0.500 | 0.836 |" in (folder / "table.md").read_text()
    page = (folder / "README.md").read_text()
    assert "python run.py experiment=figure_19\n" in page
    assert "- zoo: signs, 4 of its 7 models (2 clean, 2 polygon), seed 100\n" in page
    assert str(tmp_path) not in page


def test_a_table_of_a_sweep_is_made_once_from_its_cells(command, words, tmp_path):
    ran = command("experiment=table_1", "task=tabulate", "hydra.mode=RUN", *words)
    assert ran.status == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("polygon\texray\t")
    assert len(lines) == len(set(lines))
    text = (tmp_path / "out" / "table_1" / "table.md").read_text()
    assert "| symmetric beats one-sided | no such row | cannot be said |" in text
    assert "Filter triggers" not in text


def test_frozen_thresholds_are_of_the_tuning_run_and_the_page_names_its_zoo(
    command, words, tmp_path
):
    tuning = [("a", True, 0.6), ("b", False, 0.75)]
    store_cell(tmp_path / "results" / "table_1_tuning", "exray", tuning, zoo="other", seed=900)
    ran = command("experiment=table_1", "task=tabulate", "hydra.mode=RUN", *words)
    assert ran.status == 0, ran.err
    assert "polygon\texray, frozen threshold\t1\t0\t2\t1\t0.7500" in ran.out.splitlines()
    page = (tmp_path / "out" / "table_1" / "README.md").read_text()
    assert "- thresholds chosen on: other, 2 of its 7 models (1 clean, 1 polygon), seed 900" in page


def test_thresholds_are_not_taken_from_models_kept_for_reporting(command, words, tmp_path):
    root = tmp_path / "results" / "table_1_tuning"
    store_cell(root, "exray", [("a", True, 0.6)], reserved=True)
    ran = command("experiment=table_1", "task=tabulate", "hydra.mode=RUN", *words)
    assert "a, which is kept for reporting; choose on a run of another zoo" in ran.mistake()


def test_a_table_without_records_or_without_a_table_is_refused(command, tmp_path):
    place = f"paths.results={tmp_path}"
    missing = command("experiment=table_2", place).mistake()
    assert missing.endswith("holds no records of this table's cells; scan first")
    assert "choose one, as in experiment=table_1" in command("task=tabulate", place).mistake()


@pytest.mark.usefixtures("one_thread")
def test_one_command_scans_every_cell_and_writes_the_table(command, quick, tmp_path):
    out = f"paths.experiments={tmp_path / 'out'}"
    swept = "judge.engine.mask.objective.alpha=0.1,0.8"
    given = ("-m", "experiment=figure_18", "dataset=signs_mini", "scanner=abs", "limit=2", *quick)
    words = [word for word in (*given, swept, out) if not word.startswith("name=")]
    ran = command(*words)
    assert ran.status == 0, ran.err
    assert "polygon\talpha 0.8\t" in ran.out
    rows = (tmp_path / "out" / "figure_18" / "records.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 2
    assert ran.out == command(*words).out


def test_tabulating_imports_no_torch():
    code = (
        "import sys, exray.app.cli, exray.app.tabulate; "
        "print(sorted({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
