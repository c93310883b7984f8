"""Times the scanners against their plain forms and against the floor.

Parts: ``whole``, a scan against every candidate by itself; ``steps``, inversion steps against bare
forward and input-gradient passes; ``ladder``, ABS from its plain form to the default; ``classes``,
cost with the number of classes; ``model``, scan and judgement of embedded models.
Run: make bench, or python benchmarks/scanners.py [--part whole] [--scanner abs] [--network mini].
With ``--network tiny`` it takes seconds: to see that everything runs.
Adds its rows to benchmarks/results/scanners.json after each of them; draws scanners.png.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from abs_speedups import ladder_rows
from benchmark_models import SEED
from result_tables import Row, markdown, table, write
from rich.console import Console
from rich.progress import Progress
from scanner_timings import (
    CLASSES,
    MODELS,
    NETWORKS,
    PARTS,
    SCANNERS,
    classes_row,
    model_row,
    steps_row,
    subject_of,
    whole_row,
)
from timing import facts

from exray.app.config import register

RESULTS = Path(__file__).parent / "results"
Work = Callable[[], list[Row]]
TITLES = {
    "model": "Scan and judgement of an embedded model, abs and exray",
    "whole": "Whole scans against the plain form (every candidate, image and step, one by one)",
    "steps": "Inversion steps against bare forward and input-gradient passes",
    "ladder": "ABS from its plain form to the default",
    "classes": "Whole scans of the mini architecture at 32 px with more classes",
}
TIMED = ("mini", "resnet18")
KEYS = ("part", "model", "network", "scanner", "step", "classes")  # what tells rows apart


def jobs(words: argparse.Namespace) -> Iterator[tuple[str, str, Work]]:
    """Part, name and work of everything that was asked for."""
    for part in words.part:
        if part == "model":
            for model in MODELS[: words.models]:

                def timed(model: str = model) -> list[Row]:
                    return [model_row(model)]

                yield part, model, timed
        elif part == "ladder":
            yield part, f"{words.network[0]}, abs", lambda: climbed(words)
        elif part == "classes":
            yield from classes_jobs(words)
        else:
            yield from network_jobs(words, part)


def climbed(words: argparse.Namespace) -> list[Row]:
    """The ladder on the first network."""
    name = words.network[0]
    return ladder_rows(subject_of(name), words.plain_share or NETWORKS[name].plain_share)


def classes_jobs(words: argparse.Namespace) -> Iterator[tuple[str, str, Work]]:
    """Scans of more and more classes."""
    for name in words.scanner:
        for count in words.classes:

            def work(name: str = name, count: int = count) -> list[Row]:
                return [classes_row(name, count, 32)]

            yield "classes", f"{name}, {count} classes", work


def network_jobs(words: argparse.Namespace, part: str) -> Iterator[tuple[str, str, Work]]:
    """Whole scans or steps of each scanner on each network."""
    for network in words.network:
        share = words.plain_share or NETWORKS[network].plain_share
        for name in words.scanner:

            def work(network: str = network, name: str = name, share: int = share) -> list[Row]:
                if part == "whole":
                    return [whole_row(network, name, share)]
                return [steps_row(network, name, words.repeats)]

            yield part, f"{network}, {name}", work


def merged(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Old rows with the new ones in their places; others behind them."""

    def key(row: Row) -> tuple[object, ...]:
        return tuple(row.get(name) for name in KEYS)

    rows = {key(row): row for row in old} | {key(row): row for row in new}
    return sorted(rows.values(), key=lambda row: PARTS.index(str(row["part"])))


def draw(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Seconds over classes, both on logarithmic axes."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for name in SCANNERS:
        own = [row for row in rows if row["part"] == "classes" and row["scanner"] == name]
        own.sort(key=lambda row: int(str(row["classes"])))
        if own:
            counts = [int(str(row["classes"])) for row in own]
            axis.plot(counts, [float(str(row["seconds"])) for row in own], marker="o", label=name)
    low, high = CLASSES[0], CLASSES[-1]
    for power, style in ((1, ":"), (2, "--")):
        axis.plot([low, high], [1, (high / low) ** power], style, color="gray", alpha=0.6)
    axis.set(xscale="log", yscale="log", xlabel="classes", ylabel="seconds a scan")
    axis.set_xticks(CLASSES, [str(count) for count in CLASSES])
    axis.set_title("Whole scans (dotted: linear, dashed: quadratic)")
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def command_line() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, choices in (("part", PARTS), ("scanner", SCANNERS)):
        parser.add_argument(f"--{name}", nargs="+", choices=choices, default=choices)
    parser.add_argument("--network", nargs="+", choices=tuple(NETWORKS), default=TIMED)
    parser.add_argument("--classes", nargs="+", type=int, default=CLASSES)
    parser.add_argument("--models", type=int, default=len(MODELS), help="embedded models timed")
    parser.add_argument("--repeats", type=int, default=5, help="turns of steps and floor")
    parser.add_argument(
        "--plain-share", type=int, help="the plain form runs one of so many candidates"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def publish(rows: Sequence[Row], folder: Path) -> None:
    """Prints the tables, writes them as Markdown and draws the plot."""
    console, pages = Console(file=sys.stdout, width=150), []
    for part in PARTS:
        own = [{k: v for k, v in row.items() if k != "part"} for row in rows if row["part"] == part]
        if own:
            console.print(table(TITLES[part], own))
            pages.append(f"## {TITLES[part]}\n\n{markdown(own)}")
    (folder / "scanners.md").write_text("\n".join(pages))
    draw(rows, folder / "scanners.png")


def main() -> None:
    """Measures part after part; each row is written when it is done, tables at the end."""
    words = command_line()
    register()
    torch.manual_seed(SEED)
    path = words.results / "scanners.json"
    rows: list[Row] = json.loads(path.read_text())["rows"] if path.is_file() else []
    work = list(jobs(words))
    try:
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("", total=len(work))
            for part, name, action in work:
                progress.update(task, description=f"{part}: {name}")
                rows = merged(rows, [{"part": part, **row} for row in action()])
                write(path, {**facts(torch.device("cpu"), SEED), "rows": rows})
                progress.advance(task)
    finally:
        if rows:
            publish(rows, words.results)


if __name__ == "__main__":
    main()
