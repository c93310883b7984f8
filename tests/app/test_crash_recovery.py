"""Kill -9 at random moments, two runs at once: the same tables, and nothing finished done twice."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
JUDGES = ("one", "two")
MODELS = 2
WORDS = ("dataset.recipe.num_clean=2", "dataset.recipe.attacks.polygon.count=2", "limit=2")


@pytest.fixture
def crash_recovery(monkeypatch):
    """The benchmark's module; its scanner and judge note each time they are asked."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import crash_recovery

    return crash_recovery


@pytest.fixture
def sweep(crash_recovery, zoo, tmp_path):
    def sweep_named(name):
        folder = tmp_path / name
        return crash_recovery.Sweep(
            zoo=zoo, folder=folder, seconds=0.05, judges=JUDGES, words=WORDS
        )

    return sweep_named


@pytest.mark.timeout(900)
def test_a_killed_sweep_ends_as_a_whole_one_and_does_nothing_finished_twice(
    crash_recovery, sweep, zoo
):
    names = crash_recovery.fingerprints(zoo)
    outcome = crash_recovery.kill_test(sweep("whole"), sweep("killed"), names, kills=3, seed=0)
    assert outcome.kills == 3
    assert outcome.units == MODELS * (1 + len(JUDGES)) <= outcome.begun
    assert outcome.repeated == []
    assert outcome.differing == []


@pytest.mark.timeout(900)
def test_two_sweeps_at_once_share_the_work(crash_recovery, sweep):
    together = sweep("together")
    begun = crash_recovery.side_by_side(together, processes=2)
    assert len(begun) == MODELS * (1 + len(JUDGES))
    assert set(begun.values()) == {1}
    assert [table.count("\n") for table in together.records().values()] == [1 + 2, 1 + 4] * 2
    assert not list(together.folder.rglob(".lock-*"))
