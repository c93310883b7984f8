"""What a task leaves: lines for stdout and an exit status."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """What a task leaves.

    Args:
        lines: For stdout.
        status: Of the process when it exits.
        told: A line for stderr; empty where there is nothing to tell.
        cell: Where in a sweep that is true; empty for all of it.
    """

    lines: tuple[str, ...]
    status: int
    told: str = ""
    cell: str = ""
