"""Processes of our own that may take only so long."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ProcessResult:
    """How a process ended.

    Args:
        status: Its exit status, negative for a signal; None if it was killed at its time limit.
        output: What it wrote to stdout.
        errors: What it wrote to stderr.
    """

    status: int | None
    output: bytes
    errors: str

    @property
    def last_line(self) -> str:
        """The last line of stderr that is not blank; empty where there is none."""
        return next((line for line in reversed(self.errors.splitlines()) if line.strip()), "")


def run_bounded(
    command: Sequence[str], *, seconds: float, environment: Mapping[str, str]
) -> ProcessResult:
    r"""Runs a command in a session of its own; at its time limit all that it started is killed.

    It is killed too if this process is interrupted meanwhile. Bounds of memory are the command's
    own to set (``resource.setrlimit``), once it has imported what it needs.

    Args:
        command: The program and its arguments.
        seconds: Wall time it may take.
        environment: Variables that it gets besides this process's own.

    Example:
        >>> run_bounded(["sh", "-c", "echo no >&2; exit 3"], seconds=10.0, environment={})
        ProcessResult(status=3, output=b'', errors='no\n')
    """
    with subprocess.Popen(
        list(command),
        env={**os.environ, **environment},
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return ProcessResult(status=None, output=b"", errors="")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    text = errors.decode("utf-8", errors="replace")
    return ProcessResult(status=process.returncode, output=output, errors=text)
