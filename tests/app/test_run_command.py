"""A sweep leaves the same whichever of Hydra's launchers runs its cells."""

import csv
import os
import sys

import pytest
from hydra import initialize_config_dir

from exray.app.composition import CommandWords, first_composition
from exray.app.config import register
from exray.presets import conf_folder
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict

LAUNCHERS = {
    "local": "hydra_joblib_launcher",
    "slurm_local": "hydra_submitit_launcher",
    "slurm": "hydra_submitit_launcher",
    "ray_local": "hydra_ray_launcher",
}
SLURM = {  # stand-ins for the commands that submitit calls, on a cluster without accounting
    "sbatch": """
        last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
        for task in $(seq 0 "$last"); do
            SLURM_JOB_ID=17_$task SLURM_ARRAY_JOB_ID=17 SLURM_ARRAY_TASK_ID=$task sh "$1" &
        done > /dev/null 2>&1
        echo Submitted batch job 17
    """,
    "srun": """
        [ "$1 $2 $4" = "--unbuffered --output --error" ] || exit 1
        shift 5
        exec "$@"
    """,
    "sacct": "echo Slurm accounting storage is disabled >&2; exit 1",
}


SLOW = {"slurm", "ray_local"}  # each waits for its own daemons or polls


@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in LAUNCHERS]
)
def launcher(request, tmp_path, monkeypatch):
    package = LAUNCHERS[request.param]
    pytest.importorskip(
        f"hydra_plugins.{package}", reason=f"{package.replace('_', '-')} is not installed"
    )
    if request.param == "slurm":
        for name, body in SLURM.items():
            (tmp_path / "bin").mkdir(exist_ok=True)
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}")
            (tmp_path / "bin" / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    yield f"hydra/launcher={request.param}"
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


@pytest.fixture
def stored(tmp_path):
    """A sweep of two judges on two models, one of which failed under the one judge."""
    for judge, status in (("none", "failed"), ("exray", "done")):
        store = ResultStore(tmp_path / "sweep" / f"judge={judge}")
        store.claim("r", {})
        for model_id, this in (("m0", "done"), ("m1", status)):
            done = this == "done"
            record = ScanRecord(
                model_id=model_id,
                run_id="r",
                status=this,
                verdict=Verdict.TROJANED if done else Verdict.FAILED,
                probability=0.9,
                scanner_flags=True,
                judge=judge,
                is_trojaned=model_id == "m0" if done else None,
            )
            store.write(ModelScan(record=record))
    return ("-m", "task=compare", f"paths.results={tmp_path}", "name=sweep,elsewhere")


@pytest.mark.timeout(900)
def test_lines_mistakes_and_status_come_back_from_other_processes(
    command, stored, launcher, tmp_path
):
    here = command(*stored)
    assert here.out.splitlines() == ["exray\t1\t1\t0\t0\t0.5000", "none\t1\t0\t0\t0\t1.0000"]
    assert "elsewhere holds no sweep with known ground truth" in here.err
    table = (tmp_path / "sweep" / "table.md").read_text()
    assert "judge=none: 2 of 2 models recorded, 1 failed (m1)." in table

    (tmp_path / "sweep" / "table.md").unlink()
    there = command(*stored, launcher)
    assert there.out == here.out, there.err
    assert there.err.endswith(here.err)
    assert there.status == here.status == 2
    assert (tmp_path / "sweep" / "table.md").read_text() == table


@pytest.mark.slow  # each worker imports torch
def test_records_are_the_same_whichever_launcher(command, quick, tmp_path, launcher):
    words = [word for word in quick if "judge" not in word]
    words = ["-m", *words, "judge=none,l2", "shard=0/2,1/2"]
    outcomes = {}
    for place, more in {"here": [], "there": [launcher, "hydra.job.env_set.TERM=dumb"]}.items():
        ran = command(*words, *more, f"paths.results={tmp_path / place}")
        assert ran.status == 0, ran.err
        rows = []
        for judge in ("none", "l2"):
            path = tmp_path / place / "run" / f"judge={judge}" / "records.csv"
            rows += list(csv.DictReader(path.read_text().splitlines()))
        for row in rows:
            for name in [name for name in row if name.endswith("seconds")]:
                del row[name]
        outcomes[place] = rows, sorted(ran.out.splitlines())
    assert len(outcomes["here"][0]) == 8
    assert outcomes["here"] == outcomes["there"]


def first_mistake(words):
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        try:
            first_composition(CommandWords(words))
        except ValueError as error:
            return str(error)
    return ""


def test_a_launcher_that_cannot_work_is_one_line(monkeypatch):
    assert first_mistake(["hydra/launcher=local"]) == (
        "hydra/launcher=local does nothing without -m, which begins a sweep"
    )
    monkeypatch.setattr("exray.app.composition.find_spec", lambda _: None)
    assert first_mistake(["-m", "seed=0,1", "hydra/launcher=slurm"]) == (
        "hydra/launcher=slurm needs hydra-submitit-launcher, which is not installed; "
        "pip install 'exray[slurm]'"
    )


def test_a_cluster_launcher_without_a_cluster_is_one_line(monkeypatch):
    monkeypatch.setattr("exray.app.composition.find_spec", lambda name: name)
    monkeypatch.setattr("exray.app.composition.which", lambda _: None)
    said = first_mistake(["-m", "seed=0,1", "hydra/launcher=slurm"])
    assert said.startswith("hydra/launcher=slurm needs a cluster's login node: there is no srun")
    assert not first_mistake(["-m", "seed=0,1", "hydra/launcher=basic"])
