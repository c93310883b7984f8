"""What a task leaves, and where a run's records lie. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a task leaves: the lines for stdout and the exit status."""

    lines: tuple[str, ...]
    status: int


def results_folder(config: DictConfig, name: str, cell: str) -> Path:
    """Where a run's records lie; each cell of a sweep has a folder of its own."""
    root = Path(config.paths.results) / name
    return root / cell if cell else root
