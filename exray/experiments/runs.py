"""The stored records that a table is made of: one collection per cell of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from exray.evaluation.reserved_models import refuse_reserved
from exray.experiments.cells import ExperimentCell
from exray.experiments.table import label_of, number_after
from exray.results.collection import Collection, collect
from exray.results.store import ResultStore

_NO_TRIGGERS = "scan.probability_without_triggers"


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentRun:
    """A run's records, read once.

    Args:
        root: Folder of the run.
        collections: Records of each cell by its folder below the root; a run that is no sweep is
            one cell whose folder is empty.
    """

    root: Path
    collections: Mapping[str, Collection]

    @classmethod
    def read(cls, root: Path, names: Sequence[str] = ()) -> "ExperimentRun":
        """The records below a folder.

        Args:
            root: Folder of the run; one that is not there holds no records.
            names: Folders of the cells that take part; empty for all.
        """
        collections = {name: collect(ResultStore(root / name)) for name in _sweep(root, names)}
        if not collections and ResultStore(root).model_ids():
            collections = {"": collect(ResultStore(root))}
        return cls(
            root=root,
            collections={
                name: collection for name, collection in collections.items() if collection.recorded
            },
        )

    @property
    def has_failures(self) -> bool:
        """Whether the scan of a model failed."""
        return any(collection.failed for collection in self.collections.values())

    @cached_property
    def settings(self) -> Mapping[str, object]:
        """The configuration of the first cell, by dotted key; empty without records."""
        first = next(iter(self.collections), None)
        return {} if first is None else self._store(first).config()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The records of all cells, a row per record."""
        return pd.concat([collection.frame for collection in self.collections.values()])

    def cells(self, axis: str) -> list[ExperimentCell]:
        """The cells with what their figures need.

        Args:
            axis: Word before the number that a figure's axis shows; empty for none.
        """
        return [
            _cell(collection, self._store(name), label=label_of(name), axis=axis)
            for name, collection in self.collections.items()
        ]

    def refuse_for_tuning(self, reported: "ExperimentRun") -> None:
        """Refuses a run whose thresholds would be chosen on models of a report.

        Args:
            reported: The run that is reported on.

        Raises:
            ValueError: If a model is kept for reporting, or is one of the reported models.
        """
        for name, collection in self.collections.items():
            store = self._store(name)
            refuse_reserved(collection, store)
            zoo = reported.settings.get("input")
            if zoo and store.config().get("input") == zoo:
                self._refuse_shared(collection, reported)

    def _refuse_shared(self, collection: Collection, reported: "ExperimentRun") -> None:
        reported_ids = set(reported.frame["model_id"])
        for model_id in collection.recorded:
            if model_id in reported_ids:
                raise ValueError(
                    f"{self.root} holds {model_id}, which is reported on here; choose thresholds "
                    "on other models, or give table.about.tuning=null"
                )

    def _store(self, name: str) -> ResultStore:
        return ResultStore(self.root / name)


def _sweep(root: Path, names: Sequence[str]) -> list[str]:
    """Folders of a sweep's cells that take part."""
    if not root.is_dir():
        return []
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and "=" in path.name)
    return [name for name in folders if not names or name in names]


def _cell(collection: Collection, store: ResultStore, *, label: str, axis: str) -> ExperimentCell:
    seconds = [
        scan.record.seconds.get("kept_inversion", scan.record.seconds.get("inversion"))
        for scan in collection.scans
    ]
    frame = collection.frame.assign(inversion_seconds=np.array(seconds, dtype=np.float64))
    label = label or str(frame["judge"].iloc[0])
    return ExperimentCell(
        name=label,
        folder=store.root,
        records=frame,
        triggers=collection.triggers,
        setting=number_after(axis, label),
        probability_without_triggers=float(str(store.config().get(_NO_TRIGGERS, 0.0))),
        caption=collection.caption,
    )
