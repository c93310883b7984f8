"""Cells as jobs of a real SLURM: the same records as in this process."""

import csv
import tempfile
from pathlib import Path

import pytest
from slurm_cluster import SlurmCluster, install_or_skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
PARTITION = ("hydra.launcher.partition=all", "hydra.launcher.timeout_min=20")
SIZE = ("hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=null")


@pytest.fixture
def cluster(monkeypatch):
    """SLURM's daemons on this machine."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    install_or_skip()
    with tempfile.TemporaryDirectory() as folder:
        nodes = SlurmCluster(Path(folder))
        try:
            nodes.start()
            for name, value in nodes.environment().items():
                monkeypatch.setenv(name, value)
            yield nodes
        finally:
            nodes.stop()


def rows(folder):
    """A sweep's records without times, by cell."""
    cells = {}
    for path in sorted(folder.glob("run/*/records.csv")):
        with path.open() as file:
            read = list(csv.DictReader(file))
        cells[path.parent.name] = [
            {name: row[name] for name in row if not name.endswith("seconds")} for row in read
        ]
    return cells


def test_cells_on_slurm_leave_the_same_records(command, quick, tmp_path, cluster):
    words = [word for word in quick if "judge" not in word]
    words = ["-m", *words, "judge=none,l2"]
    here = command(*words, f"paths.results={tmp_path / 'here'}")
    assert here.status == 0, here.err
    launcher = ("hydra/launcher=slurm", *PARTITION, *SIZE)
    there = command(*words, *launcher, f"paths.results={tmp_path / 'there'}")
    logs = "\n".join(path.read_text() for path in cluster.folder.glob("*.log"))
    assert there.status == 0, there.err + logs[-3000:]
    assert there.out == here.out
    assert rows(tmp_path / "there") == rows(tmp_path / "here")
    assert [len(cell) for cell in rows(tmp_path / "here").values()] == [4, 4]
    folders = (tmp_path / "there").glob(".submitit/*_[0-9]*")
    jobs = [folder for folder in folders if folder.is_dir()]
    assert len(jobs) == 2  # each cell a job of its own
