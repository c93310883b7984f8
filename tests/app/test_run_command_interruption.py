"""A scan that is stopped from outside, and the same command again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exray.scanners.abs.patches import AbsPatchScanner
from exray.scanners.base import ScannerResult

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = Path(__file__).resolve().parents[2] / "run.py"


IDS = [f"id-{index:08d}" for index in range(4)]
SAID = "exray: interrupted; finished models are stored, the same command continues"


def test_a_killed_scan_keeps_what_is_finished_and_goes_on(command, quick, tmp_path):
    results = tmp_path / "results" / "run"
    few = "scanner.engine.patch.max_size_share=0.001"  # no triggers, so no masks
    words = (*quick, few, "limit=3")
    process = subprocess.Popen(
        [sys.executable, str(RUN), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not list(results.glob("id-*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in results.glob("id-*/*")}
    done = {path.parent.name for path in finished}
    assert IDS[0] in done
    assert IDS[2] not in done

    ran = command(*words)
    assert ran.status == 0, ran.err
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == IDS[:3]
    assert all(path.stat().st_mtime_ns == changed for path, changed in finished.items())
    for model_id in done:
        assert f"{model_id}: already scanned" in ran.err
    assert len(list(results.glob("id-*/record.json"))) == 3


@pytest.fixture
def sigint_raises():
    """Ctrl-C as in a terminal: a shell starts a background job with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def signalled():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)


def left_as_lightning_does():
    try:
        signalled()
    except KeyboardInterrupt:
        sys.exit(1)


@pytest.mark.usefixtures("sigint_raises")
@pytest.mark.parametrize("stopped", [signalled, left_as_lightning_does])
def test_ctrl_c_is_one_line_and_status_130(command, quick, tmp_path, monkeypatch, stopped):
    seen = []

    def scan_until_stopped(self, *arguments):
        del self, arguments
        seen.append(None)
        return (
            stopped()
            if len(seen) == 2
            else ScannerResult(triggers=(), num_candidates=1, flags=False)
        )

    monkeypatch.setattr(AbsPatchScanner, "scan", scan_until_stopped)
    ran = command(*quick)
    assert ran.status == 130
    assert not ran.out
    assert ran.err.splitlines()[-1] == SAID
    assert "Traceback" not in ran.err
    assert [path.name for path in (tmp_path / "results" / "run").glob("id-*")] == IDS[:1]
    again = command(*quick, "limit=2")
    assert again.status == 0
    assert f"{IDS[0]}: already scanned" in again.err
