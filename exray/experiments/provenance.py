"""What an experiment's page says of how its records came about. Imports no torch."""

import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from exray.experiments.cells import ExperimentCell
from exray.experiments.runs import ExperimentRun
from exray.results.collection import Collection

_PLACES = (
    "dataset.root",
    "dataset.zoo",
    "paths.",
    "logger",
    "trainer",
    "hydra",
    "task",
)  # not what was run
# Where a zoo's recipe counts its models; the names after num_clean are those of exray 0.1's runs.
_COUNT = re.compile(
    r"dataset\.recipe\.(attacks\.[^.]+\.count|num_(clean|polygon|filter|blend|patch))"
)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How an experiment's records came about.

    Args:
        title: The experiment's.
        commands: What to type, in order.
        facts: Zoo, scanner, layer, seeds, machine: what is said of it, by what it is.
        differs: How it differs from the paper's, one sentence per difference.
        costs: Seconds by cell: (cell, models, judgement).
        scanning: Seconds that making the scanner's results took, each counted once.
        notes: On the rows, one sentence per note.
        figures: Names of the drawings.
    """

    title: str
    commands: Sequence[str]
    facts: Mapping[str, str]
    differs: Sequence[str]
    costs: Sequence[tuple[str, int, float]]
    scanning: float
    notes: Sequence[str]
    figures: Sequence[str]


def commands(name: str, words: Sequence[str]) -> list[str]:
    """What was typed, without this machine's folders.

    Args:
        name: The run's.
        words: The command line.
    """
    portable = [word for word in words if not word.lstrip("+").startswith(_PLACES)]
    has_own_zoo = any(word.startswith("dataset.zoo=") for word in words)
    if any(word.startswith("dataset.root=") for word in words):
        portable.append(f"dataset.root={'IMAGES' if has_own_zoo else 'ZOO'}")
    if has_own_zoo:
        portable.append("dataset.zoo=ZOO")
    overrides = " ".join(portable) or f"task=tabulate name={name}"
    return [f"python run.py {overrides}"]


def facts(run: ExperimentRun) -> dict[str, str]:
    """Zoo, networks, scanner, seeds and machine, from the records and their configuration.

    Args:
        run: The records.
    """
    frame = run.frame
    return {
        "zoo": zoo(run),
        "networks": ", ".join(sorted(filter(None, frame["architecture"].unique()))),
        "scanner": ", ".join(sorted(frame["scanner"].unique())),
        "layer": ", ".join(sorted(frame["layer"].unique())),
        "seed": ", ".join(map(str, sorted(frame["seed"].unique()))),
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, Python "
        f"{platform.python_version()}, torch {version('torch')}",
    }


def zoo(run: ExperimentRun) -> str:
    """A zoo's name, which of its models were scanned, and the seed that they follow from.

    Args:
        run: The records.
    """
    models = run.frame.sort_values("is_trojaned").drop_duplicates("model_id")
    kinds = models["trigger_kind"].mask(models["trigger_kind"] == "", "clean")
    kinds = kinds.mask(models["is_trojaned"].isna(), "of unknown truth")
    tally = ", ".join(f"{count} {kind}" for kind, count in kinds.value_counts(sort=False).items())
    counts = [value for key, value in run.settings.items() if _COUNT.fullmatch(key)]
    total = sum(count for count in counts if isinstance(count, int))
    number = f"{len(models)} of its {total}" if total >= len(models) else str(len(models))
    half = run.settings.get("dataset.half")
    part = f"the {half} half, " if half else ""
    name = ", ".join(sorted(run.frame["dataset"].unique()))
    seed = run.settings.get("dataset.recipe.seed", "-")
    return f"{name}, {part}{number} models ({tally}), seed {seed}"


def costs(cells: Iterable[ExperimentCell]) -> list[tuple[str, int, float]]:
    """Models and seconds of judging, cell by cell.

    Args:
        cells: The cells.
    """
    return [
        (cell.name, len(cell.records), float(cell.records["judgement_seconds"].sum()))
        for cell in cells
    ]


def scanning_seconds(collections: Iterable[Collection]) -> float:
    """Seconds that the scanner's results took; those from the cache are counted once per model.

    Args:
        collections: The records of each cell.
    """
    records = [scan.record for collection in collections for scan in collection.scans]
    fresh = {
        (record.run_id, record.model_id): record.seconds.get("inversion", 0.0)
        for record in records
        if "kept_inversion" not in record.seconds
    }
    fresh_ids = {model_id for _, model_id in fresh}
    cached = {
        record.model_id: record.seconds["kept_inversion"]
        for record in records
        if record.model_id not in fresh_ids
    }
    return sum(fresh.values()) + sum(cached.values())
