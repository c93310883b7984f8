"""Sessions: opened by the first worker, joined by others, over with the last."""

import os
import time

import pytest

from exray.errors import StorageError
from exray.results.sessions import ATTEMPTS, WORKERS, RunSession


def test_later_workers_join_and_add_their_models(tmp_path):
    first, second = RunSession(tmp_path), RunSession(tmp_path)
    with first.joined(["a", "b"]), second.joined(["b", "c"]):
        assert first.name == second.name
        assert first.expected() == ("a", "b", "c")
        assert len(first.workers()) == 2
    assert first.workers() == []
    assert first.expected() == ("a", "b", "c")  # of the last one


def test_a_session_forgets_the_attempts_of_the_one_before(tmp_path):
    first = RunSession(tmp_path)
    with first.joined(["a"]):
        first.begin("a")
        first.give_up("a", "too slow")
        assert first.attempts("a").reason == "too slow"
        first.settle("a", failed=True)
        assert first.attempts("a").failed
    second = RunSession(tmp_path)
    with second.joined(["a"]):
        assert second.name != first.name
        assert second.attempts("a").begun == 0
        assert not second.attempts("a").failed


@pytest.mark.parametrize("hours", [-10, 10])
def test_a_session_goes_on_whatever_the_dates_of_its_files(tmp_path, hours):
    """Another machine's clock dates them; who lives is told by locks."""
    first, second = RunSession(tmp_path), RunSession(tmp_path)
    with first.joined(["a"]):
        first.begin("a")
        now = time.time() + 3600 * hours
        for path in (tmp_path / WORKERS).rglob("*"):
            os.utime(path, (now, now))
        with second.joined(["a"]):
            assert second.name == first.name
            assert second.attempts("a").begun == 1
            assert [worker.is_alive for worker in second.workers()] == [True, True]


def test_what_is_left_of_its_own_accord_was_not_begun(tmp_path):
    session = RunSession(tmp_path)
    with session.joined(["a"]):
        session.begin("a")
        session.begin("a")
        session.leave("a")
        assert session.attempts("a").begun == 1
        session.leave("a")
        assert not list((tmp_path / WORKERS / ATTEMPTS).iterdir())


def test_an_attempt_cut_short_by_a_crash_counts_as_none(tmp_path):
    session = RunSession(tmp_path)
    with session.joined(["a"]):
        (tmp_path / WORKERS / ATTEMPTS / "a.json").write_text("")
        assert session.attempts("a").begun == 0


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    session = RunSession(tmp_path / "file")
    with pytest.raises((StorageError, NotADirectoryError), match="file"), session.joined([]):
        pass
