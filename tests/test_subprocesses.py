"""A process that takes too long is killed with all that it started."""

import os
import sys
import time

from exray.subprocesses import run_bounded


def test_output_errors_and_status_come_back():
    code = "import sys; print('out'); sys.stderr.write('first\\nlast\\n\\n'); sys.exit(2)"
    result = run_bounded([sys.executable, "-c", code], seconds=60.0, environment={})
    assert (result.status, result.output) == (2, b"out\n")
    assert result.last_line == "last"


def test_a_signal_is_a_negative_status():
    result = run_bounded(["sh", "-c", "kill -9 $$"], seconds=60.0, environment={})
    assert result.status == -9
    assert result.last_line == ""


def test_the_environment_is_added_to_our_own():
    command = ["sh", "-c", 'echo "$EXRAY_TEST $HOME"']
    result = run_bounded(command, seconds=60.0, environment={"EXRAY_TEST": "here"})
    assert result.output.decode().strip() == f"here {os.environ['HOME']}"


def test_at_the_time_limit_its_children_are_killed_too(tmp_path):
    mark = tmp_path / "mark"
    start = time.monotonic()
    command = ["sh", "-c", f"(sleep 2; touch {mark}) & sleep 60"]
    result = run_bounded(command, seconds=0.3, environment={})
    assert result.status is None
    assert time.monotonic() - start < 30
    time.sleep(2.5)
    assert not mark.exists()
