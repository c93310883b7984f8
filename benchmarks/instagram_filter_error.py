"""Holds the Instagram filters to real TrojAI images before and after them, in bytes.

Run: python benchmarks/instagram_filter_error.py [FOLDER]; FOLDER holds id-*/clean and
id-*/filtered, and is trojai_r2_filters of the shared data by default. Writes
benchmarks/results/instagram_filter_error.json.
"""

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from exray.triggers.instagram import InstagramFilter, filtered

SHARED = Path(__file__).parents[1] / os.environ.get("EXRAY_SHARED_DATA", "../shared/data")
RESULTS = Path(__file__).parent / "results" / "instagram_filter_error.json"
PAIRS = {InstagramFilter.GOTHAM: "id-00000082", InstagramFilter.TOASTER: "id-00000078"}
INSTEAD = {
    InstagramFilter.KELVIN: "pixels worked out by hand; ImageMagick 6.9.11, elsewhere",
    InstagramFilter.LOMO: "pixels worked out by hand; the vignette's form is inferred",
    InstagramFilter.NASHVILLE: "its mean after the gamma; the tones' form is inferred",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One filter: errors over all pixels and channels of its pairs, in bytes."""

    filter: str
    pairs: int
    max_error: float | None
    mean_error: float | None
    bytes_off_by_two: float | None
    checked_against: str


def opened(path: Path) -> Tensor:
    """An image file as bytes in float64."""
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"), dtype=np.float64))
    return pixels.permute(2, 0, 1)[None]


def row_of(name: InstagramFilter, root: Path) -> Row:
    """The errors of one filter, or what else it is checked against."""
    if name not in PAIRS:
        return Row(
            filter=name.value,
            pairs=0,
            max_error=None,
            mean_error=None,
            bytes_off_by_two=None,
            checked_against=f"no real pairs; {INSTEAD[name]}",
        )
    folder = root / PAIRS[name]
    largest, total, off, count = 0.0, 0.0, 0, 0
    files = sorted((folder / "clean").iterdir())
    for path in files:
        ours = 255 * filtered(opened(path) / 255, name)
        truth = opened(folder / "filtered" / path.name)
        error = (ours - truth).abs()
        largest, total = max(largest, float(error.max())), total + float(error.sum())
        off += int(((ours.round() - truth).abs() >= 2).sum())
        count += error.numel()
    return Row(
        filter=name.value,
        pairs=len(files),
        max_error=round(largest, 3),
        mean_error=round(total / count, 4),
        bytes_off_by_two=off / count,
        checked_against="real pairs",
    )


def main() -> None:
    """Measures, prints a table, writes the results."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "trojai_r2_filters"
    if not root.is_dir():
        sys.exit(f"{root} is no folder; give that of the real pairs")
    rows = [row_of(name, root) for name in InstagramFilter]
    table = Table(title="Error of the filters in bytes; rounding alone makes 0.5 at most")
    for name in Row.__annotations__:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(value) for value in asdict(row).values()))
    Console(file=sys.stdout, width=160).print(table)
    facts = {
        "machine": platform.machine(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "rows": [asdict(row) for row in rows],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
