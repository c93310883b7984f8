"""Workers tell what they are at, and a dead one is known by its lock, not by a clock."""

import os
import signal
import time

from exray.results.workers import Heartbeat, remove_dead, worker_reports


def test_a_worker_says_what_it_is_at_and_for_how_long(tmp_path):
    now = [0.0]
    heartbeat = Heartbeat(tmp_path, clock=lambda: now[0])
    with heartbeat.beating():
        now[0] = 5.0
        heartbeat.start("m")
        heartbeat.stage("inversion", 3, 10)
        now[0] = 12.0
        heartbeat._write()
        (report,) = worker_reports(tmp_path)
        assert report.is_alive
        state = report.state
        assert (state.model_id, state.stage, state.done, state.total) == ("m", "inversion", 3, 10)
        assert (state.seconds, state.model_seconds) == (12.0, 7.0)
        heartbeat.settle(failed=True)
        heartbeat._write()
        (report,) = worker_reports(tmp_path)
        assert (report.state.scanned, report.state.failed, report.state.model_id) == (1, 1, "")
    assert not list(tmp_path.iterdir())


def test_a_killed_worker_is_reported_as_dead_until_its_file_is_removed(tmp_path):
    ready, signalled = os.pipe()
    child = os.fork()
    if child == 0:
        heartbeat = Heartbeat(tmp_path)
        heartbeat.start("m")
        with heartbeat.beating():
            os.write(signalled, b"x")
            signal.pause()
    os.read(ready, 1)
    (report,) = worker_reports(tmp_path)
    assert report.is_alive
    remove_dead(tmp_path)  # leaves those that live
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    later = time.time() + 36000
    for path in tmp_path.iterdir():
        os.utime(path, (later, later))  # by a clock that is ten hours ahead
    (report,) = worker_reports(tmp_path)
    assert not report.is_alive
    assert report.state.model_id == "m"
    remove_dead(tmp_path)
    assert worker_reports(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_a_file_cut_short_is_no_worker(tmp_path):
    (tmp_path / "x.worker.json").write_text('{"worker": ')
    assert worker_reports(tmp_path) == []
