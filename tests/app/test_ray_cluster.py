"""Workers on a Ray cluster of several nodes: the same records as one after the other."""

import csv
import subprocess

import pytest
from ray_cluster import ROOT, RayCluster, environment_or_skip, environment_variables

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
NODES = 3


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Of an environment with Ray."""
    return environment_or_skip(tmp_path_factory.mktemp("ray") / "environment")


@pytest.fixture
def cluster(python):
    """Three nodes of one CPU each, by Ray's own utility."""
    nodes = RayCluster(python, NODES)
    yield nodes
    nodes.close()


def swept(python, *words):
    """Runs a sweep in the environment with Ray."""
    return subprocess.run(
        [python, ROOT / "run.py", "-m", *words],
        env=environment_variables() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def rows(folder):
    """The run's records without times."""
    with (folder / "run" / "records.csv").open() as file:
        records = list(csv.DictReader(file))
    return [{name: row[name] for name in row if not name.endswith("seconds")} for row in records]


def test_workers_on_several_nodes_share_one_run(quick, tmp_path, python, cluster):
    words = [word for word in quick if not word.startswith(("judge", "paths.results"))]
    words = [*words, "judge=none"]
    here = swept(python, *words, f"paths.results={tmp_path / 'here'}")
    assert here.returncode == 0, here.stderr
    there = swept(
        python,
        *words,
        f"worker={','.join(str(index) for index in range(NODES))}",
        "hydra/launcher=ray_cluster",
        f"hydra.launcher.ray.init.address='{cluster.address}'",
        f"paths.results={tmp_path / 'there'}",
    )
    assert there.returncode == 0, there.stderr
    assert sorted(there.stdout.splitlines()) == sorted(here.stdout.splitlines())
    assert rows(tmp_path / "there") == rows(tmp_path / "here")
    assert len(rows(tmp_path / "here")) == 4
    assert cluster.stop() == NODES  # each had a worker
