"""What a task leaves, and where a run's records lie. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig


@dataclass(frozen=True, kw_only=True)
class Finished:
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


def results_folder(config: DictConfig, name: str, cell: str) -> Path:
    """Where a run's records lie; each cell of a sweep has a folder of its own."""
    root = Path(config.paths.results) / name
    return root / cell if cell else root
