"""Ten thousand models and more: a sweep whose workers die, and how store and pages grow.

Run: python benchmarks/scale.py sweep [--models 100 1000 10000] [--workers 8]
     python benchmarks/scale.py store [--models 100 1000 10000 100000] [--pages-up-to 10000]
     python benchmarks/scale.py workers sleeping [--models 100]
     python benchmarks/scale.py workers scanning --words dataset=... scanner=... [--models 24]
Each prints a table and writes it to benchmarks/results/scale_<part>.json, beside the rows of other
numbers of models that are there. `sweep` exits 1 if a
record is lost or wrong, if more was begun again than killed workers held, or if order changed a
table.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import result_tables
import scale_workers
from rich.console import Console
from scale_store import RULE, made_up_store
from scale_sweep import Fates, swept, table_of

from exray.evaluation.metrics import statistics_of_all
from exray.evaluation.predictions import all_clean, scanner_alone, with_judge
from exray.evaluation.rejudging.sweeps import PaperRuleSweep
from exray.reports.dashboard import write_dashboard
from exray.reports.html_report import write_report
from exray.results.collection import collect
from exray.results.store import ResultStore

RESULTS = Path(__file__).parent / "results"
FATES = Fates(failing=0.01, hanging=0.005, seconds=0.3)
KILLS = 0.05
MEGABYTE = 1e6


def sweep(options: argparse.Namespace) -> int:
    """Sweeps with kills; 1 where something was lost, wrong, done twice or out of order."""
    rows, is_well = [], True
    for models in options.models:
        ids = [f"id-{index:08d}" for index in range(models)]
        with tempfile.TemporaryDirectory() as folder:
            row = _swept(Path(folder) / "killed", ids, options, kill_share=KILLS)
            if models <= options.whole_up_to:
                _swept(Path(folder) / "whole", ids[::-1], options, kill_share=0.0)
                tables = [table_of(Path(folder) / name) for name in ("killed", "whole")]
                row["same_table_in_other_order"] = tables[0] == tables[1]
        rows.append(row)
        is_well = is_well and row["lost"] == 0 and row["wrong"] == 0
        is_well = is_well and int(str(row["begun_again"])) <= int(str(row["kills"]))
        is_well = is_well and row.get("same_table_in_other_order", True) is True
    _publish("sweep", rows, options)
    return int(not is_well)


def _swept(
    folder: Path, ids: list[str], options: argparse.Namespace, *, kill_share: float
) -> dict[str, object]:
    return swept(
        folder,
        ids,
        FATES,
        workers=options.workers,
        time_limit=options.time_limit,
        kill_share=kill_share,
        seed=options.seed,
    )


def sleep(options: argparse.Namespace) -> int:
    """A sweep of models that sleep and neither fail nor hang, by as many workers as asked for."""
    ids = [f"id-{index:08d}" for index in range(options.models)]
    fates = Fates(failing=0.0, hanging=0.0, seconds=FATES.seconds)
    swept(
        options.folder,
        ids,
        fates,
        workers=options.workers,
        time_limit=None,
        kill_share=0.0,
        seed=options.seed,
    )
    return 0


def workers(options: argparse.Namespace) -> int:
    """What two and four workers gain over one, and what share of the time they take to start."""
    rows = scale_workers.measured(options.kind, options.models, options.words)
    _publish(f"workers_{options.kind}", rows, options)
    return 0


def store(options: argparse.Namespace) -> int:
    """How long it takes to write, collect, tabulate, judge again and show so many models."""
    rows = []
    for models in options.models:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            root = Path(folder) / "run"
            start = time.process_time()
            made_up_store(root, models, seed=options.seed, pictures=models <= options.pages_up_to)
            written = time.process_time() - start
            row = {"models": models, "write_cpu_s": round(written, 1)}
            row |= _measured_apart(root, "tables")
            if models <= options.pages_up_to:
                row |= _measured_apart(root, "pages")
                row |= _opened(root)
        rows.append(row)
    _publish("store", rows, options)
    return 0


def _measured_apart(root: Path, part: str) -> dict[str, object]:
    """Figures of a process of its own, so that its memory is its own."""
    words = [sys.executable, __file__, "measure", part, str(root)]
    output = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout
    values: dict[str, object] = json.loads(output)
    return values


def measure(options: argparse.Namespace) -> int:
    """Measures one part on one store and prints the figures as JSON."""
    clock = _Clock()
    collection = collect(ResultStore(options.root))
    row = clock.lap("collect")
    row["collect_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    if options.part == "tables":
        triggers, frame = collection.triggers, collection.frame
        row |= clock.lap("trigger_table")
        statistics_of_all([scanner_alone(frame), with_judge(frame), all_clean(frame)])
        row |= clock.lap("table")
        PaperRuleSweep(
            name="again",
            similarity_thresholds=(RULE.similarity_threshold,),
            cross_thresholds=(RULE.cross_threshold,),
        ).predictions(frame, triggers)
        row |= clock.lap("judge_again")
    else:
        write_report(collection, options.root / "report.html", "scale")
        row = clock.lap("report")
        write_dashboard(
            {"exray": collection}, options.root / "dashboard.html", "scale", reference="exray"
        )
        row |= clock.lap("dashboard")
    row[f"{options.part}_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    print(json.dumps(row))
    return 0


class _Clock:
    """Seconds since the last lap, and the CPU's, which other work on the machine changes less."""

    def __init__(self) -> None:
        self.last = (time.perf_counter(), time.process_time())

    def lap(self, name: str) -> dict[str, object]:
        """Seconds since the last lap."""
        last, self.last = self.last, (time.perf_counter(), time.process_time())
        seconds, cpu = (round(now - then, 3) for now, then in zip(self.last, last, strict=True))
        return {f"{name}_s": seconds, f"{name}_cpu_s": cpu}


def _opened(root: Path) -> dict[str, object]:
    """Sizes of the pages, and how long Chromium takes to open the slower of first and largest."""
    row: dict[str, object] = {}
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    for name in ("report", "dashboard"):
        first = root / f"{name}.html"
        pages = [first, *root.glob(f"{name}-*.html")]
        largest = max(pages, key=lambda path: path.stat().st_size)
        row[f"{name}_pages"] = len(pages)
        row[f"{name}_largest_mb"] = round(largest.stat().st_size / MEGABYTE, 1)
        if chromium:
            first_s, first_cpu_s = _shown(chromium, first)
            largest_s, largest_cpu_s = _shown(chromium, largest)
            row[f"{name}_opens_s"] = max(first_s, largest_s)
            row[f"{name}_opens_cpu_s"] = max(first_cpu_s, largest_cpu_s)
    if chromium:
        empty = root / "empty.html"
        empty.write_text("<!doctype html><title>empty</title>")
        row["empty_page_opens_s"], row["empty_page_opens_cpu_s"] = _shown(chromium, empty)
    return row


def _shown(chromium: str, page: Path) -> tuple[float, float]:
    """Seconds, and all its processes' CPU seconds, of a headless browser that draws a page.

    Its own start and end are among them; the better of two.
    """
    picture = page.with_suffix(".png")
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,2000"]
    words = [chromium, *words, f"--screenshot={picture}", page.as_uri()]
    tries = []
    for _ in range(2):
        picture.unlink(missing_ok=True)
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if not picture.is_file():
            raise RuntimeError(f"{chromium} drew no picture of {page}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        tries.append((round(seconds, 2), round(cpu, 2)))
    return min(tries)


def _publish(part: str, rows: list[dict[str, object]], options: argparse.Namespace) -> None:
    path = options.results / f"scale_{part}.json"
    earlier = json.loads(path.read_text())["rows"] if path.exists() else []
    measured = [row["models"] for row in rows]
    rows = [*(row for row in earlier if row["models"] not in measured), *rows]
    rows = sorted(rows, key=lambda row: (int(str(row["models"])), int(str(row.get("workers", 0)))))
    Console(width=200).print(result_tables.table(f"scale: {part}", rows))
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": [round(value, 1) for value in os.getloadavg()],
        "versions": {"python": platform.python_version()},
        "seed": options.seed,
        "rows": rows,
    }
    result_tables.write(path, facts)


def main() -> int:
    """Runs a part; 1 where `sweep` finds something lost, wrong or done twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(required=True)
    sweeping = parts.add_parser("sweep")
    sweeping.add_argument("--models", type=int, nargs="+", default=[100, 1000, 10000])
    sweeping.add_argument("--workers", type=int, default=8)
    sweeping.add_argument("--whole-up-to", type=int, default=1000)
    limit = "seconds of a model; a busy machine needs more"
    sweeping.add_argument("--time-limit", type=float, default=10.0, help=limit)
    storing = parts.add_parser("store")
    storing.add_argument("--models", type=int, nargs="+", default=[100, 1000, 10000, 100000])
    storing.add_argument("--pages-up-to", type=int, default=10000)
    storing.add_argument("--folder", type=Path, help="of the stores while they are measured")
    measuring = parts.add_parser("measure")
    measuring.add_argument("part", choices=("tables", "pages"))
    measuring.add_argument("root", type=Path)
    working = parts.add_parser("workers")
    working.add_argument("kind", choices=("sleeping", "scanning"))
    working.add_argument("--models", type=int, default=100)
    working.add_argument("--words", nargs="*", default=[], help="of run.py: the zoo, the scanner")
    sleeping = parts.add_parser("sleep")
    sleeping.add_argument("folder", type=Path)
    sleeping.add_argument("--models", type=int, required=True)
    sleeping.add_argument("--workers", type=int, required=True)
    actions = (
        (sweeping, sweep),
        (storing, store),
        (measuring, measure),
        (working, workers),
        (sleeping, sleep),
    )
    for one, action in actions:
        one.add_argument("--seed", type=int, default=0)
        one.add_argument("--results", type=Path, default=RESULTS, help="folder of the rows")
        one.set_defaults(action=action)
    options = parser.parse_args()
    return int(options.action(options))


if __name__ == "__main__":
    sys.exit(main())
