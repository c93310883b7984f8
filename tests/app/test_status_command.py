"""``exray status``: what it prints of a run that is scanned, stopped or done."""

import os
import signal
import time

import pytest

from exray.app.cli import main
from exray.results.store import ResultStore
from tests.results.scans import scan


@pytest.fixture
def store(tmp_path):
    store = ResultStore(tmp_path / "long")
    store.claim("r", {})
    return store


def status(store, *words):
    main(["status", store.root.name, "--results", str(store.root.parent), *words])


def in_child(store, model_id):
    """A process that has scanned one model and is at another; returns its number."""
    ready, signalled = os.pipe()
    child = os.fork()
    if child == 0:
        with store.session().joined(["a", "b", "c", "d"]) as heartbeat:
            heartbeat.start("a")
            store.write(scan("a"))
            heartbeat.settle(failed=False)
            heartbeat.start(model_id)
            heartbeat.stage("inversion", 3, 10)
            heartbeat._write()
            os.write(signalled, b"x")
            signal.pause()
    os.read(ready, 1)
    return child


def test_a_live_run_of_another_process_and_what_its_death_leaves(store, capsys):
    store.write(scan("d", "failed", "out of memory"))
    child = in_child(store, "b")
    try:
        status(store)
        out = capsys.readouterr().out
        assert "long: 1 of 4 done, 1 failed, 1 running, 1 waiting\n" in out
        assert f":{child}: b for 0 s, inversion 3 of 10\n" in out
        assert "failed   d: out of memory\n" in out
        assert "1 worker, " in out
        assert "models an hour, about " in out
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    status(store)
    out = capsys.readouterr().out
    assert "0 running, 2 waiting\n" in out
    assert f":{child} at b, which is begun again\n" in out
    assert "nobody is at work; the same command goes on" in out


def test_follow_ends_when_every_model_has_its_record(store, capsys):
    child = os.fork()
    if child == 0:
        with store.session().joined(["a"]):
            time.sleep(0.5)
            store.write(scan("a"))
        os._exit(0)
    while not store.session().workers():
        time.sleep(0.01)
    status(store, "--follow", "--interval", "0.1")
    os.waitpid(child, 0)
    out = capsys.readouterr().out
    assert out.startswith("long: 0 of 1 done, 0 failed, 0 running, 1 waiting\n")
    assert "no model settled yet" in out
    assert out.endswith(
        "long: 1 of 1 done, 0 failed, 0 running, 0 waiting\n  all models have a record\n"
    )


def test_a_name_that_is_not_there_is_one_line(store, capsys):
    with pytest.raises(SystemExit):
        main(["status", "lang", "--results", str(store.root.parent)])
    assert capsys.readouterr().err.endswith("holds no run 'lang'; it has: long\n")
