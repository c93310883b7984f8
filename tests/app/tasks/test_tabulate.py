"""Tables and figures of the paper from stored records, and from a sweep in one command."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.tasks.scan import scan
from exray.presets import conf_folder
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict
from exray.scanners.abs.both import AbsBoth
from exray.scanners.base import ScannerResult

SHORT = ("table.about.shown=[polygon]", "table.about.apart=[]", "table.about.curves=[]")
COUNTS = {"attacks": {"polygon": {"count": 2, "num_victims": 1}, "instagram": {"count": 3}}}
COUNTS_OF_0_1 = {"num_polygon": 2, "num_filter": 3, "polygon": {"num_victims": 1}}
MODELS = [("a", True, 0.6), ("b", True, 0.75), ("c", False, 0.7), ("d", False, 0.95)]


@pytest.fixture
def store_cell(stored_record, stored_trigger):
    """Writes a cell of models given as id, truth and similarity of their trigger's masks."""

    def write(
        root, judge, models, *, zoo="signs", seed=100, reserved=False, hashed="", counts=COUNTS
    ):
        store = ResultStore(root / f"judge={judge}")
        recipe = {"num_clean": 2, "num_classes": 8, "seed": seed, **counts}
        settings = {"scan": {"probability_without_triggers": 0.1}, "dataset": {"recipe": recipe}}
        settings["input"] = hashed
        store.claim("r", settings)
        for model_id, is_trojaned, similarity in models:
            record = stored_record(model_id, is_trojaned, similarity)
            truth = {**record.truth, "reserved": reserved}
            record = replace(record, dataset=zoo, judge=judge, truth=truth)
            store.write(ModelScan(record=record, triggers=(stored_trigger(similarity),)))
        return store

    return write


@pytest.fixture
def words(tmp_path, store_cell):
    for judge in ("none", "exray"):
        store_cell(tmp_path / "results" / "table_1", judge, MODELS)
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
    command, words, store_cell, tmp_path
):
    tuning = [("a", True, 0.6), ("b", False, 0.75)]
    folder = tmp_path / "results" / "table_1_tuning"
    store_cell(folder, "exray", tuning, zoo="other", seed=900, counts=COUNTS_OF_0_1)
    ran = command("experiment=table_1", "task=tabulate", "hydra.mode=RUN", *SHORT, *words)
    assert ran.status == 0, ran.err
    assert "polygon\texray, frozen threshold\t1\t0\t2\t1\t0.7500" in ran.out.splitlines()
    page = (tmp_path / "out" / "table_1" / "README.md").read_text()
    assert "- thresholds chosen on: other, 2 of its 7 models (1 clean, 1 polygon), seed 900" in page


def test_thresholds_are_not_taken_from_models_kept_for_reporting(
    command, words, store_cell, tmp_path
):
    root = tmp_path / "results" / "table_1_tuning"
    store_cell(root, "exray", [("a", True, 0.6)], reserved=True)
    ran = command("experiment=table_1", "task=tabulate", "hydra.mode=RUN", *SHORT, *words)
    assert "a, which is kept for reporting; choose on a run of another zoo" in ran.mistake()


def test_thresholds_are_not_taken_from_models_that_are_reported_on(command, store_cell, tmp_path):
    for name, models in (("table_1", MODELS), ("table_1_tuning", MODELS[:1])):
        store_cell(tmp_path / name, "exray", models, hashed="of the zoo")
    words = ("experiment=table_1", "task=tabulate", "hydra.mode=RUN", *SHORT)
    said = command(*words, f"paths.results={tmp_path}", f"paths.experiments={tmp_path}").mistake()
    assert "a, which is reported on here; choose thresholds on other models" in said


def test_a_table_without_records_or_without_a_table_is_refused(command, tmp_path):
    place = f"paths.results={tmp_path}"
    missing = command("experiment=table_2", place).mistake()
    assert missing.endswith("holds no records of this table's cells; scan first")
    for experiment in ("judges", "layers", "mask_weights"):
        words = (f"experiment={experiment}", "task=tabulate", "hydra.mode=RUN", place)
        said = command(*words).mistake()
        assert "choose an experiment that has one, as in experiment=table_1" in said
        assert said.endswith(f"compare the cells of a sweep: task=compare name={experiment}")


def test_a_failed_model_stops_no_table_and_is_named_in_its_caption_and_on_its_page(
    command, words, tmp_path, stored_record
):
    store = ResultStore(tmp_path / "results" / "table_1" / "judge=exray")
    failed = replace(
        stored_record("e", None, 0.6),
        status="failed",
        verdict=Verdict.FAILED,
        error="Traceback\n  boom",
        error_line="RuntimeError: boom",
        truth={},
    )
    store.write(ModelScan(record=failed))
    ran = command("experiment=table_1", "task=tabulate", "hydra.mode=RUN", *SHORT, *words)
    assert ran.status == 1, ran.err
    folder = tmp_path / "out" / "table_1"
    assert (
        "judge=exray: 5 of 5 models recorded, 1 failed (e)." in (folder / "README.md").read_text()
    )
    table = (folder / "table.md").read_text()
    assert "exray: failed e." in table
    assert "none: 4 of 5 models." in table


@pytest.fixture
def asked(monkeypatch):
    """What the scanner is asked about; it finds nothing."""
    classifiers = []

    def nothing(scanner, classifier, samples, progress=None):
        del scanner, samples, progress
        classifiers.append(classifier)
        return ScannerResult(triggers=(), num_candidates=0, flags=False)

    monkeypatch.setattr(AbsBoth, "scan", nothing)
    return classifiers


@pytest.mark.usefixtures("one_thread")
def test_later_experiments_take_up_the_scans_of_table_1(zoo, asked, tmp_path):
    places = (f"dataset.root={zoo}", f"paths.results={tmp_path}", "trainer=cpu", "logger=csv")

    register()

    def scanned(*words):
        before = len(asked)
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            overrides = ["hydra.mode=RUN", "dataset.recipe.samples_per_class=3", *words, *places]
            config = compose("config", overrides=overrides)
        assert scan(config, "cell").status == 0
        return len(asked) - before

    assert scanned("experiment=table_1", "judge=none") == 4
    assert scanned("experiment=table_11", "layer=last_conv", "limit=2") == 0
    alpha = "judge.engine.mask.objective.alpha=0.8"
    assert scanned("experiment=figure_18", "kinds=[polygon]", alpha, "limit=3") == 0
    assert scanned("experiment=figure_18", "name=other", "seed=1", "limit=1") == 1


@pytest.mark.usefixtures("one_thread")
def test_one_command_scans_every_cell_and_writes_the_table(command, quick, tmp_path):
    out = f"paths.experiments={tmp_path / 'out'}"
    swept = "judge.engine.mask.objective.alpha=0.1,0.8"
    table = ("-m", "experiment=figure_18", "dataset=signs_mini", "scanner=abs", "limit=2", *quick)
    words = [word for word in (*table, swept, out) if not word.startswith("name=")]
    ran = command(*words)
    assert ran.status == 0, ran.err
    assert "polygon\talpha 0.8\t" in ran.out
    rows = (tmp_path / "out" / "figure_18" / "records.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 2
    assert ran.out == command(*words).out


def test_tabulating_imports_no_torch():
    code = (
        "import sys, exray.app.run_command, exray.app.tasks.tabulate; "
        "print(sorted({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
