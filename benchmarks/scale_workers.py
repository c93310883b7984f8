"""What more workers gain, and what share of their time they take to start, by the clock."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from exray.results.store import ResultStore

ROOT = Path(__file__).parents[1]
LOOK_SECONDS = 0.02
COUNTS = (1, 2, 4)


def sleeping_words(models: int, workers: int, folder: Path) -> list[str]:
    """A command that sweeps models whose scans sleep, into the folder ``run``.

    Args:
        models: How many.
        workers: How many processes.
        folder: Where the run's folder will be.
    """
    scale = Path(__file__).with_name("scale.py")
    numbers = [f"--models={models}", f"--workers={workers}"]
    return [sys.executable, str(scale), "sleep", str(folder), *numbers]


def scanning_words(words: Sequence[str], workers: int, folder: Path) -> list[str]:
    """A command that scans a zoo's models, one thread each, into the folder ``run``.

    Args:
        words: Of the command, which name the zoo and the scanner.
        workers: How many processes.
        folder: Where the run's folder will be.
    """
    fixed = (f"trainer.scan_workers={workers}", "trainer.threads=1", "name=run")
    command = [sys.executable, str(ROOT / "run.py"), "trainer=cpu", *words, *fixed]
    return [*command, f"paths.results={folder}"]


def timed(words: Sequence[str], folder: Path, workers: int) -> tuple[float, list[float]]:
    """Seconds that a command takes from its start, and until each of its workers is there.

    Args:
        words: The command.
        folder: Where its run's folder will be.
        workers: How many it has.

    Raises:
        RuntimeError: If it fails.
    """
    session = ResultStore(folder / "run").session()
    began: dict[str, float] = {}
    start = time.monotonic()
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output)
        while process.poll() is None:
            time.sleep(LOOK_SECONDS)
            if len(began) < workers:
                for report in session.workers():
                    if report.state.scans:
                        began.setdefault(report.state.worker, time.monotonic() - start)
    seconds = time.monotonic() - start
    if process.returncode != 0:
        text = (folder / "output").read_text()
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}: {text[-2000:]}")
    return seconds, list(began.values())


def measured(kind: str, models: int, words: Sequence[str]) -> list[dict[str, object]]:
    """A row for each number of workers: seconds, speed-up over one, and the starts' share.

    Args:
        kind: ``sleeping`` or ``scanning``.
        models: How many.
        words: Of a scanning command.
    """
    rows: list[dict[str, object]] = []
    first = 0.0
    for workers in COUNTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if kind == "sleeping":
                command = sleeping_words(models, workers, folder)
            else:
                command = scanning_words([*words, f"limit={models}"], workers, folder)
            seconds, starts = timed(command, folder, workers)
        first = first or seconds
        row: dict[str, object] = {"kind": kind, "models": models, "workers": workers}
        row |= {"seconds": round(seconds, 1), "speed_up": round(first / seconds, 2)}
        row["start_s"] = round(sum(starts) / len(starts), 1)
        row["start_share"] = round(sum(starts) / len(starts) / seconds, 3)
        rows.append(row)
    return rows
