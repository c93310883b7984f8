"""What an experiment's page says of how its records came about. Imports no torch."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

import pandas as pd

from exray.experiments.cells import ExperimentCell
from exray.results.collection import Collection

_PLACES = ("dataset.root", "paths.", "logger", "trainer", "hydra", "task")  # not what was run
_COUNTS = ("num_clean", "num_polygon", "num_filter", "num_blend", "num_patch")  # of a zoo's recipe


def commands(name: str, words: Sequence[str]) -> list[str]:
    """What was typed, without this machine's folders.

    Args:
        name: The run's.
        words: The command line.
    """
    kept = [word for word in words if not word.lstrip("+").startswith(_PLACES)]
    if any(word.startswith("dataset.root=") for word in words):
        kept.append("dataset.root=ZOO")
    told = " ".join(kept) or f"task=tabulate name={name}"
    return [f"python run.py {told}"]


def facts(found: Mapping[str, Collection], made: Mapping[str, object]) -> dict[str, str]:
    """Zoo, networks, scanner, seeds and machine, from the records and what they were made with.

    Args:
        found: The cells' records.
        made: The configuration that they were made with, by dotted key.
    """
    frames = pd.concat([each.frame for each in found.values()])
    return {
        "zoo": zoo(found, made),
        "networks": ", ".join(sorted(filter(None, frames["architecture"].unique()))),
        "scanner": ", ".join(sorted(frames["scanner"].unique())),
        "layer": ", ".join(sorted(frames["layer"].unique())),
        "seed": ", ".join(map(str, sorted(frames["seed"].unique()))),
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, Python "
        f"{platform.python_version()}, torch {version('torch')}",
    }


def zoo(found: Mapping[str, Collection], made: Mapping[str, object]) -> str:
    """A zoo's name, which of its models were scanned, and the seed that they follow from.

    Args:
        found: The cells' records.
        made: The configuration that they were made with, by dotted key.
    """
    frames = pd.concat([each.frame for each in found.values()])
    models = frames.sort_values("is_trojaned").drop_duplicates("model_id")
    kinds = models["trigger_kind"].mask(models["trigger_kind"] == "", "clean")
    kinds = kinds.mask(models["is_trojaned"].isna(), "of unknown truth")
    tally = ", ".join(f"{count} {kind}" for kind, count in kinds.value_counts(sort=False).items())
    counts = [made.get(f"dataset.recipe.{name}") for name in _COUNTS]
    total = sum(count for count in counts if isinstance(count, int))
    number = f"{len(models)} of its {total}" if total >= len(models) else str(len(models))
    half = f"the {made['dataset.half']} half, " if made.get("dataset.half") else ""
    name = ", ".join(sorted(frames["dataset"].unique()))
    return f"{name}, {half}{number} models ({tally}), seed {made.get('dataset.recipe.seed', '-')}"


def costs(cells: Mapping[str, ExperimentCell]) -> list[tuple[str, int, float]]:
    """Models and seconds of judging, cell by cell.

    Args:
        cells: The cells by name.
    """
    return [
        (cell.name, len(cell.records), float(cell.records["judgement_seconds"].sum()))
        for cell in cells.values()
    ]


def scanning_seconds(found: Iterable[Collection]) -> float:
    """Seconds that the scanner's results took, those that were kept counted once a model.

    Args:
        found: The cells' records.
    """
    records = [scan.record for each in found for scan in each.scans]
    fresh = {
        (record.run_id, record.model_id): record.seconds.get("inversion", 0.0)
        for record in records
        if "kept_inversion" not in record.seconds
    }
    made = {model_id for _, model_id in fresh}
    kept = {
        record.model_id: record.seconds["kept_inversion"]
        for record in records
        if record.model_id not in made
    }
    return sum(fresh.values()) + sum(kept.values())
