"""What a task returns: lines for stdout and an exit status."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """What a task returns.

    Args:
        lines: For stdout.
        status: The exit status of the process.
        mistake: A line for stderr; empty where there is none.
        cell: The cell of the sweep; empty for a single run.
    """

    lines: tuple[str, ...]
    status: int
    mistake: str = ""
    cell: str = ""
