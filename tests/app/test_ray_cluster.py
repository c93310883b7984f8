"""Workers on a Ray cluster of several nodes: the same records as in this process."""

import csv
import os

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture
def cluster(monkeypatch):
    """Three nodes of one CPU each, by Ray's own utility; the address of the head."""
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    for name, value in (("RAY_AUTH_MODE", "disabled"), ("RAY_USAGE_STATS_ENABLED", "0")):
        monkeypatch.setenv(name, value)
    import ray
    from ray.cluster_utils import Cluster

    nodes = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes(timeout=300)
    yield nodes.address
    ray.shutdown()
    nodes.shutdown()


def rows(folder):
    """The run's records without times."""
    with (folder / "run" / "judge=none" / "records.csv").open() as file:
        found = list(csv.DictReader(file))
    return [{name: row[name] for name in row if not name.endswith("seconds")} for row in found]


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_workers_on_several_nodes_share_one_run(command, quick, tmp_path, cluster):
    words = [word for word in quick if "judge" not in word]
    words = ["-m", *words, "judge=none"]
    here = command(*words, f"paths.results={tmp_path / 'here'}")
    assert here.status == 0, here.err
    launcher = ("hydra/launcher=ray_cluster", f"hydra.launcher.ray.init.address='{cluster}'")
    there = command(
        *words,
        "worker=0,1,2",
        *launcher,
        f"paths.results={tmp_path / 'there'}",
    )
    assert there.status == 0, there.err
    assert sorted(there.out.splitlines()) == sorted(here.out.splitlines())
    assert rows(tmp_path / "there") == rows(tmp_path / "here")
    assert len(rows(tmp_path / "here")) == 4
    assert os.listdir(tmp_path / "there" / "run") == ["judge=none"]
