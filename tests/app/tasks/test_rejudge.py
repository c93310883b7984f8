"""Deciding anew from a stored run: what it prints, writes, refuses, and that it needs no torch."""

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import exray
from exray.reports.summaries import figures_of
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore


@pytest.fixture
def stored(tmp_path, stored_record, stored_trigger):
    """A trojaned and a clean model, told apart by a beta between 0.6 and 0.7."""
    store = ResultStore(tmp_path / "run")
    store.claim("r", {})
    for model_id, is_trojaned, similarity in (("a", True, 0.6), ("b", False, 0.7)):
        record = stored_record(model_id, is_trojaned, similarity)
        store.write(ModelScan(record=record, triggers=(stored_trigger(similarity),)))
    return store


def test_thresholds_are_swept_over_a_stored_run(command, stored, tmp_path):
    ran = command(
        "task=rejudge",
        "name=run",
        f"paths.results={tmp_path}",
        "rejudge.similarity_thresholds=[0.65,0.8]",
        "rejudge.cross_thresholds=[0.8]",
    )
    assert ran.status == 0, ran.err
    assert ran.out.splitlines() == [
        "scanner alone\t1\t1\t0\t0\t0.5000",
        "beta 0.65, gamma 0.8\t1\t0\t1\t0\t1.0000",
        "beta 0.8, gamma 0.8\t1\t1\t0\t0\t0.5000",
        "trivial rule: all clean\t0\t0\t1\t1\t0.5000",
    ]
    assert "thresholds: run" in ran.err
    written = (stored.root / "rejudged" / "thresholds.md").read_text()
    assert "| beta 0.65, gamma 0.8 | 1 | 0 | 1 | 0 | 1.000 [1.000, 1.000] |" in written
    assert "2 of 2 models recorded, none failed." in written
    assert stored.model_ids() == ["a", "b"]


@pytest.mark.usefixtures("stored")
def test_what_cannot_be_rejudged_is_refused_in_one_line(command, tmp_path):
    place = f"paths.results={tmp_path}"
    nothing = command("task=rejudge", "name=other", place).mistake()
    assert nothing.endswith("holds no records; scan first, or give name=NAME")
    wrong = command("task=rejudge", "name=run", place, "rejudge=forest").mistake()
    assert wrong.endswith("rejudge a run of judge=random_forest")


@pytest.mark.parametrize("task", ["rejudge", "report"])
def test_of_a_sweep_the_cells_are_named(command, stored, tmp_path, task):
    stored.root.rename(tmp_path / "moved")
    (tmp_path / "sweep").mkdir()
    (tmp_path / "moved").rename(tmp_path / "sweep" / "judge=exray")
    said = command(f"task={task}", "name=sweep", f"paths.results={tmp_path}").mistake()
    assert said.endswith(
        "sweep holds a sweep, not a single run; choose one of its cells with "
        "\"name='sweep/CELL'\": judge=exray"
    )


@pytest.mark.usefixtures("stored")
def test_of_a_single_run_compare_says_that_it_is_one(command, tmp_path):
    said = command("task=compare", "name=run", f"paths.results={tmp_path}").mistake()
    assert "run holds a single run, and no sweep with known ground truth" in said


def test_thresholds_are_chosen_on_one_run_written_with_their_origin_and_frozen(
    command, stored, tmp_path
):
    place = f"paths.results={tmp_path}"
    grid = ("rejudge.similarity_thresholds=[0.5,0.65,0.8]", "rejudge.cross_thresholds=[0.8]")
    chose = command("task=rejudge", "name=run", place, "rejudge=choose", *grid)
    assert chose.out.splitlines()[1:3] == [
        "as it ran\t1\t1\t0\t0\t0.5000",
        "chosen here\t1\t0\t1\t0\t1.0000",
    ]
    path = stored.root / "rejudged" / "choose.json"
    written = json.loads(path.read_text())
    assert (written["similarity"], written["cross_accuracy"]) == (0.65, 0.8)
    provenance = written["provenance"]
    made_by = "python run.py task=rejudge rejudge=choose name=run"
    said = " ".join(f"'{word}'" if "[" in word else word for word in grid)
    assert provenance["command"] == f"{made_by} {said}"
    assert (provenance["num_models"], provenance["num_trojaned"]) == (2, 1)
    assert provenance["run_ids"] == ["r"]
    (tmp_path / "sweep").mkdir()
    stored.root.rename(tmp_path / "sweep" / "judge=exray")
    of_cell = command("task=rejudge", "name='sweep/judge=exray'", place, "rejudge=choose", *grid)
    assert of_cell.status == 0, of_cell.err
    path = tmp_path / "sweep" / "judge=exray" / "rejudged" / "choose.json"
    origin = json.loads(path.read_text())["provenance"]["command"]
    made_by = """python run.py task=rejudge rejudge=choose "name='sweep/judge=exray'\""""
    assert origin == f"{made_by} {said}"
    (tmp_path / "sweep" / "judge=exray").rename(stored.root)
    path = stored.root / "rejudged" / "choose.json"
    froze = command("task=rejudge", "name=run", place, "rejudge=frozen", f"rejudge.file={path}")
    assert froze.out.splitlines()[3] == "frozen (beta 0.65, gamma 0.8)\t1\t0\t1\t0\t1.0000"
    missing = command("task=rejudge", "name=run", place, "rejudge=frozen", "rejudge.file=no.json")
    assert missing.mistake().startswith("there is no threshold at no.json; write one by")


def test_nothing_is_chosen_on_a_zoo_kept_for_reporting(command, stored, stored_trigger, tmp_path):
    truth = {"is_trojaned": False, "reserved": True}
    reserved = replace(stored.read("b").record, model_id="c", truth=truth)
    stored.write(ModelScan(record=reserved, triggers=(stored_trigger(0.7),)))
    for option in ("choose", "fit"):
        refused = command(
            "task=rejudge", "name=run", f"paths.results={tmp_path}", f"rejudge={option}"
        ).mistake()
        assert refused.endswith(
            "c, which is kept for reporting; choose on a run of another zoo, such as dataset=signs"
        )
    assert not (stored.root / "rejudged").exists()


def test_nothing_is_chosen_on_a_half_that_was_scanned_for_reporting(
    command, stored_record, stored_trigger, tmp_path
):
    store = ResultStore(tmp_path / "run")
    store.claim("r", {"dataset": {"half": "reporting"}})
    store.write(ModelScan(record=stored_record("a", True, 0.6), triggers=(stored_trigger(0.6),)))
    words = ("task=rejudge", "name=run", f"paths.results={tmp_path}", "rejudge=choose")
    assert "a, which is kept for reporting" in command(*words).mistake()


def portfolio_trigger(trigger, strength):
    """The stored trigger, as a patch search found it."""
    flags = {"is_patch": 1.0, "is_universal": 1.0, "strength": strength, "strength_median": 0.0}
    return replace(trigger, measurements={**trigger.measurements, **flags})


def test_several_runs_of_the_portfolio_are_fitted_on_together_and_the_file_judges_each(
    command, stored_record, stored_trigger, tmp_path
):
    for family in ("signs", "glyphs"):
        store = ResultStore(tmp_path / family)
        store.claim("r", {"dataset": {"name": family}})
        for place in range(12):
            is_trojaned = place % 2 == 0
            record = stored_record(f"m{place}", is_trojaned, 0.6)
            record = replace(record, dataset=family)
            trigger = stored_trigger(0.6)
            trigger = replace(trigger, is_true_trigger=is_trojaned)
            trigger = portfolio_trigger(trigger, 10.0 * is_trojaned + place / 6)
            store.write(ModelScan(record=record, triggers=(trigger,)))
    place = f"paths.results={tmp_path}"
    fit = ("rejudge=portfolio", "rejudge.runs=[glyphs]", "rejudge.folds=2")
    chose = command("task=rejudge", "name=signs", place, *fit)
    assert chose.status == 0, chose.err
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in chose.out.splitlines()}
    assert rows["without glyphs"] == ["6", "0", "6", "0", "1.0000"]
    path = tmp_path / "signs" / "rejudged" / "portfolio.json"
    written = json.loads(path.read_text())
    origin = written["provenance"]
    assert (written["format"], origin["num_models"]) == (2, 24)
    assert origin["runs"]["glyphs"]["zoo"] == "glyphs"
    assert origin["command"] == (
        "python run.py task=rejudge rejudge=portfolio name=signs 'rejudge.runs=[glyphs]' "
        "rejudge.folds=2"
    )
    judged = command(
        "task=rejudge", "name=glyphs", place, "rejudge=calibrated", f"rejudge.file={path}"
    )
    assert "calibrated\t6\t0\t6\t0\t1.0000" in judged.out.splitlines()


def test_deciding_anew_imports_neither_torch_nor_scikit_learn():
    code = (
        "import sys, exray.app.run_command, exray.app.tasks.rejudge; "
        "print(sorted({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


SWEEP = Path(exray.__file__).parents[1] / "docs" / "wandb_sweep.yaml"


def test_the_command_of_a_wandb_sweep_logs_what_it_looks_for(
    command, stored, tmp_path, monkeypatch
):
    """The agent itself needs a server; its command is made by the agent's own functions."""
    pytest.importorskip("wandb")
    sweeps = importlib.import_module("wandb.sdk.launch.sweeps.utils")
    logged = []

    def finish(logger, ways, *, is_complete):
        logged.append((ways, is_complete))
        logger.finish(None)

    monkeypatch.setattr("exray.reports.loggers.wandb.WandbLogger.finish_comparison", finish)
    sweep = yaml.safe_load(SWEEP.read_text())
    assert sweep["metric"] == {"name": "judge/balanced_accuracy", "goal": "maximize"}
    (tmp_path / "figure_18").mkdir()
    chosen = {key: values["values"][0] for key, values in sweep["parameters"].items()}
    stored.root.rename(tmp_path / chosen["name"].strip("'"))
    for beta, accuracy in (("[0.65]", 1.0), ("[0.8]", 0.5)):
        own = chosen | {"rejudge.similarity_thresholds": beta}
        made = sweeps.create_sweep_command_args({"args": {k: {"value": own[k]} for k in own}})
        words = [word for word in sweep["command"][2:] if word != "${args_no_hyphens}"]
        words = [*words, *made["args_no_hyphens"], "logger.mode=offline"]
        ran = command(*words, f"paths.results={tmp_path}")
        assert ran.status == 0, ran.err
        ways, is_complete = logged.pop()
        assert list(ways) == ["scanner", "judge"]
        assert is_complete
        assert figures_of(ways)["judge/balanced_accuracy"] == accuracy
