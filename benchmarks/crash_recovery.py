"""Kills a sweep with SIGKILL at random moments, again and again, and holds it to a whole one.

Twelve networks of random weights, three judges, one scanner; scanner and judges take a tenth of a
second and write down each time they begin. Run: python benchmarks/crash_recovery.py [--kills 20].
Prints a table, writes benchmarks/results/crash_recovery.json and exits 1 if a table differs from
that of an uninterrupted sweep or a finished unit (a scan; a model under a judge) was begun again.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch
from fake_components import LOG, fingerprint

from exray.app.run_command import main as run_py
from exray.attacks.polygon import PolygonRecipe
from exray.datasets.zoo import open_zoo
from exray.storage.atomic_files import TEMPORARY_PREFIX
from exray.zoo.build import build_zoo
from exray.zoo.recipe import TrainingRecipe, ZooRecipe

WORK_SHARE = 0.8  # of the kills fall shortly after a unit has begun, the others anywhere
JUDGES = ("one", "two", "three")
RESULTS = Path(__file__).parent / "results" / "crash_recovery.json"


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One sweep of noting judges over a zoo, with its log of work.

    Args:
        zoo: The zoo's folder, as ``task=build_zoo`` leaves it.
        folder: Of its results and its log.
        seconds: How long a unit takes.
        judges: Names of the judges, a cell each.
        words: Further overrides.
    """

    zoo: Path
    folder: Path
    seconds: float
    judges: tuple[str, ...] = JUDGES
    words: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """The words of the command line."""
        return [
            "-m",
            "trainer=cpu",
            f"dataset.root={self.zoo}",
            "dataset.recipe.samples_per_class=2",
            f"paths.results={self.folder}",
            "name=sweep",
            "scan.min_clean_accuracy=0.0",
            "scan.min_class_accuracy=0.0",
            "scan.misclassified=keep",
            "scan.min_images_per_class=1",
            "scan.temperature=none",
            "scanner=external",
            "scanner.name=noting",
            "scanner.triggers=none",
            "scanner.engine._target_=fake_components.NotingScanner",
            f"+scanner.engine.seconds={self.seconds}",
            "judge=none",
            f"judge.name={','.join(self.judges)}",
            "judge.engine._target_=fake_components.NotingJudge",
            "+judge.engine.name=${judge.name}",
            f"+judge.engine.seconds={self.seconds}",
            *self.words,
        ]

    def begun(self) -> list[str]:
        """The units begun so far, in order."""
        log = self.folder / LOG
        return log.read_text().splitlines() if log.exists() else []

    def finished(self, names: dict[str, str]) -> set[str]:
        """The units whose results are stored.

        Args:
            names: Fingerprints by model id.
        """
        paths = self.folder.glob("scans/*/scan.json")
        scans = {f"scan {_source(path)}" for path in paths if _is_whole(path)}
        records = self.folder.glob("sweep/judge.name=*/*/record.json")
        judged = {
            f"judge {path.parts[-3].partition('=')[2]} {names[path.parts[-2]]}"
            for path in records
            if _is_whole(path)
        }
        return scans | judged

    def records(self) -> dict[str, str]:
        """The judges' tables of models and triggers, without the times."""
        tables = {}
        for judge in self.judges:
            for name in ("records.csv", "triggers.csv"):
                table = pd.read_csv(self.folder / "sweep" / f"judge.name={judge}" / name)
                columns = [column for column in table.columns if not column.endswith("seconds")]
                tables[f"{judge}/{name}"] = table[columns].to_csv(index=False)
        return tables

    def tables(self) -> dict[str, str]:
        """The judges' tables, and the one that compares them."""
        words = ["task=compare", "name=sweep", f"paths.results={self.folder}"]
        assert begin(words, self.folder).wait() == 0, f"{self.folder}/out"
        compared = (self.folder / "sweep" / "table.md").read_text()
        return {**self.records(), "table.md": compared}

    def begin(self) -> "Run":
        """Begins it in a process group of its own."""
        return begin(self.command(), self.folder)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A command in a forked process group, named by its process."""

    process: int

    def wait(self) -> int:
        """Its exit status."""
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def kill(self, seconds: float, is_time: Callable[[], bool]) -> int:
        """Kills the whole group; -9, or the exit status where it ended by itself before.

        Args:
            seconds: Passed over once it is time.
            is_time: Asked again and again.
        """
        until = None
        while until is None or time.monotonic() < until:
            done, status = os.waitpid(self.process, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            if until is None and is_time():
                until = time.monotonic() + seconds
            time.sleep(0.002)
        os.killpg(self.process, signal.SIGKILL)
        return self.wait()


def _is_whole(path: Path) -> bool:
    """Whether it is no leftover of a run that was killed while it wrote."""
    return not path.parent.name.startswith(TEMPORARY_PREFIX)


def _source(path: Path) -> str:
    return str(json.loads(path.read_text())["result"]["triggers"][0]["source"])


def begin(words: Sequence[str], folder: Path) -> Run:
    """Begins a command in a forked process; each of many is spared the import of torch.

    Args:
        words: Of the command line.
        folder: Where it works; stdout and stderr are appended to ``out`` there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child == 0:
        _run_and_exit(words, folder)
    with contextlib.suppress(PermissionError, ProcessLookupError):  # the child does it as well
        os.setpgid(child, child)
    return Run(process=child)


def _run_and_exit(words: Sequence[str], folder: Path) -> None:
    """The child's whole life."""
    status = 70
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        file = os.open("out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        sys.argv = ["run.py"]
        run_py(words)
        status = 0
    except SystemExit as stop:
        status = int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the kills did.

    Args:
        kills: Runs that were killed while at work.
        units: Scans, and models under a judge.
        begun: Units begun in all; those above ``units`` were interrupted and begun again.
        repeated: Finished units that were begun again.
        differing: Tables that differ from the uninterrupted sweep's.
        whole_seconds: Time of the uninterrupted sweep.
    """

    kills: int
    units: int
    begun: int
    repeated: list[str]
    differing: list[str]
    whole_seconds: float


def kill_test(
    whole: Sweep, killed: Sweep, names: dict[str, str], *, kills: int, seed: int
) -> Outcome:
    """Runs a sweep whole, another with kills, and compares.

    Args:
        whole: Runs without interruption.
        killed: The same sweep in another folder.
        names: Fingerprints by model id.
        kills: How many runs are killed before one may finish.
        seed: Of the moments.
    """
    stream = random.Random(seed)
    start = time.monotonic()
    assert whole.begin().wait() == 0, f"{whole.folder}/out"
    seconds = time.monotonic() - start
    landed, finished_by = 0, []
    while landed < kills:
        landed += killed_once(killed, stream, seconds) == -signal.SIGKILL
        finished_by.append((len(killed.begun()), killed.finished(names)))
    assert killed.begin().wait() == 0, f"{killed.folder}/out"
    begun = killed.begun()
    repeated = {unit for place, done in finished_by for unit in begun[place:] if unit in done}
    one, other = whole.tables(), killed.tables()
    return Outcome(
        kills=landed,
        units=len(killed.finished(names)),
        begun=len(begun),
        repeated=sorted(repeated),
        differing=sorted(name for name in one if one[name] != other[name]),
        whole_seconds=seconds,
    )


def killed_once(sweep: Sweep, stream: random.Random, seconds: float) -> int:
    """Begins a sweep and kills it at a random moment; -9, or its exit status if it was faster.

    Args:
        sweep: The sweep.
        stream: Of the moments.
        seconds: What a whole run takes.
    """
    in_work = stream.random() < WORK_SHARE
    # Where no unit is left to begin, the latest moment must still fall before the run's end.
    latest = time.monotonic() + seconds * stream.uniform(0, 0.7 if in_work else 0.5)
    pause = stream.uniform(0, 3) * sweep.seconds if in_work else 0.0
    before = len(sweep.begun())

    def is_time() -> bool:
        return time.monotonic() > latest or (in_work and len(sweep.begun()) > before)

    return sweep.begin().kill(pause, is_time)


def side_by_side(sweep: Sweep, *, processes: int) -> dict[str, int]:
    """How often each unit was begun by several runs of one sweep that start together.

    Args:
        sweep: The sweep.
        processes: How many run it at once.
    """
    runs = [sweep.begin() for _ in range(processes)]
    statuses = [run.wait() for run in runs]
    assert statuses == [0] * processes, statuses
    return dict(Counter(sweep.begun()))


def fingerprints(zoo: Path) -> dict[str, str]:
    """Fingerprints of a zoo's classifiers by model id."""
    source = open_zoo(zoo)
    return {
        model_id: fingerprint(source.load(model_id).classifier) for model_id in source.model_ids()
    }


def build_micro_zoo(root: Path, *, models: int) -> None:
    """Networks trained for one epoch: the smallest zoo there is.

    Args:
        root: Its folder.
        models: How many, half of them trojaned.
    """
    training = TrainingRecipe(
        epochs=1, batch_size=8, learning_rate=0.003, weight_decay=0.0, images_per_class=4,
        test_per_class=2,
    )  # fmt: skip
    polygon = PolygonRecipe(
        count=models // 2, num_victims=1, sides=(3, 5), width=(0.25, 0.3), poisoned_share=0.5,
        kept_share=0.25,
    )  # fmt: skip
    recipe = ZooRecipe(
        name="micro", num_clean=models - models // 2, seed=7,
        architecture="plain_cnn", num_classes=3, family_sizes=(1, 2), image_size=32,
        samples_per_class=2, min_clean_accuracy=0.0, min_class_accuracy=0.0, min_asr=0.0,
        max_attempts=2, training=training, attacks={"polygon": polygon},
    )  # fmt: skip
    build_zoo(recipe, root, workers=1, accelerator="cpu", on_model=lambda _: None)


def main() -> int:
    """Runs the test; 1 where something was done twice or differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--models", type=int, default=12)
    parser.add_argument("--judges", type=int, default=3, choices=(2, 3))
    parser.add_argument("--seconds", type=float, default=0.1, help="of a unit of work")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        zoo = Path(folder) / "zoo"
        build_micro_zoo(zoo, models=options.models)
        half = options.models // 2
        counts = (
            f"dataset.recipe.num_clean={options.models - half}",
            f"dataset.recipe.attacks.polygon.count={half}",
        )
        judges = JUDGES[: options.judges]
        sweeps = [
            Sweep(zoo=zoo, folder=to, seconds=options.seconds, judges=judges, words=counts)
            for to in (Path(folder) / name for name in ("whole", "killed", "together"))
        ]
        names = fingerprints(zoo)
        outcome = kill_test(sweeps[0], sweeps[1], names, kills=options.kills, seed=options.seed)
        together = side_by_side(sweeps[2], processes=2)
        same = sweeps[2].tables() == sweeps[0].tables()
    row = {
        **asdict(outcome),
        "together_units": len(together),
        "together_begun": sum(together.values()),
        "together_same_tables": same,
    }
    print("\n".join(f"{name:>22}  {value}" for name, value in row.items()))
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    report = {"machine": machine, "versions": versions, "seed": options.seed, "rows": [row]}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    is_well = not outcome.repeated and not outcome.differing and same
    return int(not (is_well and max(together.values()) == 1))


if __name__ == "__main__":
    sys.exit(main())
