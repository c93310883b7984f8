"""Writes a choice made on a run's records, with its provenance. Imports no torch."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from exray.evaluation.predictions import Predictions
from exray.evaluation.rejudging.threshold_choice import Choice
from exray.evaluation.reserved_models import refuse_reserved
from exray.results.collection import Collection, merged
from exray.results.store import ResultStore
from exray.storage.atomic_files import replace_file
from exray.storage.plain_json import to_json

logger = logging.getLogger(__name__)

_FROM_CONFIG = {
    "zoo": "dataset.name",
    "half": "dataset.half",
    "zoo_seed": "dataset.recipe.seed",
    "scanner": "scanner.name",
    "judge": "judge.name",
    "layer": "layer.name",
    "scan_seed": "seed",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A run that something is chosen on.

    Args:
        collection: Its records.
        store: Where they lie.
    """

    collection: Collection
    store: ResultStore


def write_choice(
    chooser: Choice, runs: Mapping[str, Run], *, words: Sequence[str] = ()
) -> list[Predictions]:
    """Writes a choice, and returns the predictions that it leads to.

    Args:
        chooser: Chooses thresholds or fits a rule on the records.
        runs: The runs that it chooses on, by name; the choice goes to ``rejudged/`` of the first
            one's folder unless it names a file.
        words: The command line's settings; those that bear on the choice go into the command that
            is written beside it.

    Raises:
        ValueError: If a record is of a model kept for reporting, or nothing can be chosen.
    """
    for run in runs.values():
        refuse_reserved(run.collection, run.store)
    first = next(iter(runs.values())).store
    together = merged({name: run.collection for name, run in runs.items()})
    choice = chooser.choose(together.frame, together.triggers)
    path = Path(chooser.file or first.root / "rejudged" / f"{chooser.name}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    origin = provenance(together, first.config(), choice.how)
    if len(runs) > 1:
        origin["runs"] = {
            name: provenance(run.collection, run.store.config(), {}) for name, run in runs.items()
        }
    command = ["python run.py task=rejudge", f"rejudge={chooser.name}", _name_of(first)]
    command += [f"'rejudge.runs=[{','.join(chooser.runs)}]'"] if chooser.runs else []
    command += [shlex.quote(word) for word in words if _bears_on_choice(word)]
    content = {**choice.content, "provenance": {**origin, "command": " ".join(command)}}
    replace_file(path, to_json(content, indent=1))
    logger.info("written to %s", path)
    return choice.predictions


def _bears_on_choice(word: str) -> bool:
    """Whether a setting changes what is chosen; runs are named anyway, files are this machine's."""
    key = word.lstrip("+").partition("=")[0]
    return key == "seed" or (
        key.startswith("rejudge.") and key not in ("rejudge.runs", "rejudge.file")
    )


def _name_of(store: ResultStore) -> str:
    """The argument that names a run, or a cell of a sweep, as one types it."""
    folder = store.root.name
    if "=" not in folder:
        return f"name={folder}"
    return f"\"name='{store.root.parent.name}/{folder}'\""


def provenance(
    collection: Collection, config: Mapping[str, object], how: Mapping[str, object]
) -> dict[str, object]:
    """The records that a choice was made on, and how it was made.

    Args:
        collection: The run's records.
        config: The run's configuration, by dotted key.
        how: How it was chosen.
    """
    frame = collection.frame
    done = frame[(frame["status"] == "done") & frame["is_trojaned"].notna()]
    return {
        **{name: config.get(key) for name, key in _FROM_CONFIG.items()},
        "num_models": len(done),
        "num_trojaned": int(done["is_trojaned"].astype(bool).sum()),
        "num_triggers": len(collection.triggers),
        "trigger_kinds": _tally(done["trigger_kind"].replace("", "none")),
        "run_ids": sorted(set(done["run_id"].astype(str))),
        **how,
        "exray_version": _version(),
    }


def _tally(values: pd.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in values.value_counts().sort_index().items()}


def _version() -> str:
    try:
        return version("exray")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "unknown"
