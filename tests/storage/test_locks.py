"""Locks between processes: held by one, gone with it, and leaving no file."""

import os
import signal
import threading

from exray.results.store import ResultStore
from exray.storage.locks import LOCK_PREFIX, locked


def test_one_of_many_holds_a_lock_at_a_time(tmp_path):
    inside, most, barrier = [], [], threading.Barrier(6)

    def work():
        barrier.wait()
        for _ in range(20):
            with locked(tmp_path, "model") as is_ours:
                inside.append(None)
                most.append((is_ours, len(inside)))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [(True, 1)] * 120
    assert not list(tmp_path.iterdir())


def test_locks_of_other_names_are_other_locks(tmp_path):
    store = ResultStore(tmp_path)
    with store.at_work("a", wait=False) as first, store.at_work("b", wait=False) as second:
        assert first
        assert second
        with store.at_work("a", wait=False) as again:
            assert not again
        assert store.model_ids() == []


def test_a_killed_process_holds_nothing(tmp_path):
    ready, signalled = os.pipe()
    child = os.fork()
    if child == 0:
        with locked(tmp_path, "model"):
            os.write(signalled, b"x")
            signal.pause()
    os.read(ready, 1)
    with locked(tmp_path, "model", wait=False) as is_ours:
        assert not is_ours
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert [path.name for path in tmp_path.iterdir()] == [f"{LOCK_PREFIX}model"]
    with locked(tmp_path, "model", wait=False) as is_ours:
        assert is_ours
    assert not list(tmp_path.iterdir())


def test_whoever_waits_is_told_so_until_the_lock_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr("exray.storage.locks._SECONDS_PER_TRY", 0.05)
    told, holding, told_twice = [], threading.Event(), threading.Event()

    def hold():
        with locked(tmp_path, "model"):
            holding.set()
            assert told_twice.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(60)

    def waiting():
        told.append(None)
        if len(told) == 2:
            told_twice.set()

    with locked(tmp_path, "model", waiting=waiting) as is_ours:
        assert is_ours
    holder.join()
    assert len(told) >= 2
