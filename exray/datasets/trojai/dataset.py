"""A TrojAI round as NIST ships it as the source of a run."""

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path

from exray.datasets.base import LoadedModel, ModelDataset, Plain, Truth
from exray.datasets.preprocess import FolderPreprocess
from exray.datasets.trojai.layout import (
    Facts,
    TrojaiTrigger,
    examples_folder,
    is_nothing,
    read_config,
    read_ground_truth,
    read_metadata,
    triggers_of,
)
from exray.datasets.trojai.model import load_trojai_model

_MODEL = re.compile(r"id-[0-9]+")
_SAMPLED_BYTES = 2**16  # at each end of a model's file, for the fingerprint

Filter = Mapping[str, str | int | float | bool | None]
"""What a model's metadata must be, by key; None asks for nothing."""


class TrojaiDataset(ModelDataset):
    """The models of one TrojAI round, with ground truth given only after the verdict.

    Args:
        name: What records call it.
        root: Folder that holds ``id-00000000`` and its like, or ``models`` with them.
        preprocess: How example images become inputs. Round 2's reference code stretches each image
            to [0, 1], that of rounds 3 and 4 divides by 255; all networks were trained on the
            latter, and for images of full range both are the same.
        where: Only models whose METADATA.csv or config.json has these values; ``trigger_type``
            also asks for round 4's ``triggers_0_type`` and ``triggers_1_type``. A value None asks
            for nothing.
        limit_per_class: At most so many examples per class; None for all.

    Source: TrojAI documentation; facts, algorithms 7.3 and 7.4.
    """

    def __init__(
        self,
        *,
        name: str,
        root: str,
        preprocess: FolderPreprocess,
        where: Filter,
        limit_per_class: int | None,
    ) -> None:
        self.name = name
        self.root = Path(root)
        self.preprocess = preprocess
        self.limit_per_class = limit_per_class
        self.where = {key: str(value) for key, value in where.items() if value is not None}

    @cached_property
    def folders(self) -> dict[str, Path]:
        """Each model's folder, by its name, in order."""
        return _model_folders(self.root)

    @cached_property
    def metadata(self) -> dict[str, dict[str, str]]:
        """The rows of METADATA.csv, by model."""
        return read_metadata(self.root)

    def model_ids(self) -> tuple[str, ...]:
        """Names of the models' folders, in order.

        Raises:
            ValueError: If the folder holds no models, or none has the metadata asked for.
        """
        return self._selected_ids

    @cached_property
    def _selected_ids(self) -> tuple[str, ...]:
        return self._selected() if self.where else tuple(self.folders)

    def check(self) -> None:
        """Refuse a folder without models, and a filter that leaves none.

        Raises:
            ValueError: As :meth:`model_ids`.
        """
        self.model_ids()

    def load(self, model_id: str) -> LoadedModel:
        """One network with its clean examples; no ground truth is read.

        Raises:
            CheckpointError: If ``model.pt`` holds no network of known layers.
            ValueError: If it has no clean examples that fit.
        """
        folder = self.folders[model_id]
        return load_trojai_model(
            folder / "model.pt",
            examples_folder(folder),
            self.preprocess,
            limit_per_class=self.limit_per_class,
        )

    def model_file(self, model_id: str) -> Path:
        """``model.pt`` in its folder."""
        return self.folders[model_id] / "model.pt"

    def truth(self, model_id: str) -> Truth | None:
        """Whether it is trojaned, and by which triggers; None where the round does not say."""
        folder, facts = self.folders[model_id], self._facts(model_id)
        is_trojaned = read_ground_truth(folder, facts)
        if is_trojaned is None:
            return None
        architecture = facts.get("model_architecture", "")
        details: dict[str, Plain] = {"true_architecture": architecture} if architecture else {}
        if not is_trojaned:
            return Truth(is_trojaned=False, details=details)
        return _trigger_truth(triggers_of(facts), details)

    def fingerprint(self) -> str:
        """Hash of names and sizes, and of both ends of each model's file.

        A round has a hundred gigabytes: its files are not read whole before the first verdict.
        """
        digest = hashlib.sha256()
        for model_id in self._selected_ids:
            folder = self.folders[model_id]
            digest.update(f"{model_id}\n".encode() + _ends(folder / "model.pt"))
            for path in sorted(folder.glob("*example_data/*")):
                line = f"{path.parent.name}/{path.name} {path.stat().st_size}\n"
                digest.update(line.encode())
        return digest.hexdigest()

    def _facts(self, model_id: str) -> Facts:
        """What METADATA.csv and config.json say; the former wins, where it says something."""
        path = self.folders[model_id] / "config.json"
        facts = read_config(path) if path.is_file() else {}
        row = self.metadata.get(model_id, {})
        return facts | {k: v for k, v in row.items() if not is_nothing(v) or k not in facts}

    def _selected(self) -> tuple[str, ...]:
        """The models with the metadata that was asked for."""
        facts = {model_id: self._facts(model_id) for model_id in self.folders}
        selected = list(facts)
        for key, value in self.where.items():
            values = {model_id: _values(facts[model_id], key) for model_id in facts}
            known = sorted(set(chain.from_iterable(values.values())))
            if not known:
                keys = sorted(set(chain.from_iterable(facts.values())))
                raise ValueError(
                    f"where.{key} is in no model's metadata of {self.root}; it has: "
                    f"{', '.join(keys) or 'none'}"
                )
            selected = [
                model_id
                for model_id in selected
                if value.lower() in map(str.lower, values[model_id])
            ]
            if not selected:
                raise ValueError(
                    f"where.{key}={value} leaves no model of {self.root}; there are: "
                    f"{', '.join(known[:20])}"
                )
        return tuple(selected)


def _model_folders(root: Path) -> dict[str, Path]:
    for place in (root, root / "models"):
        if place.is_dir():
            folders = [p for p in place.iterdir() if _MODEL.fullmatch(p.name) and p.is_dir()]
            if folders:
                return {path.name: path for path in sorted(folders, key=lambda p: p.name)}
    raise ValueError(
        f"root must hold folders such as id-00000000, or models with them; {root} "
        f"{'holds none' if root.is_dir() else 'is no folder'}"
    )


def _values(facts: Facts, key: str) -> list[str]:
    """What a key says of a model: its own value, or those of its numbered triggers."""
    key = key.lower()
    if key in facts:
        return [facts[key]]
    inner = re.compile(rf"triggers_[0-9]+_{re.escape(key.removeprefix('trigger_'))}")
    return [value for name, value in facts.items() if inner.fullmatch(name)]


def _trigger_truth(triggers: tuple[TrojaiTrigger, ...], details: dict[str, Plain]) -> Truth:
    """Truth of a trojaned model; a trigger whose target is not stated has no pair."""
    conditions = [trigger.condition for trigger in triggers if not is_nothing(trigger.condition)]
    if conditions:
        details["trigger_condition"] = ", ".join(conditions)
    return Truth(
        is_trojaned=True,
        pairs=frozenset(
            (victim, trigger.target_class)
            for trigger in triggers
            if trigger.target_class is not None
            for victim in trigger.victim_classes
        ),
        kind=", ".join(trigger.kind for trigger in triggers),
        details=details,
    )


def _ends(path: Path) -> bytes:
    if not path.is_file():
        return b"missing"
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_SAMPLED_BYTES)
        file.seek(max(0, length - _SAMPLED_BYTES))
        tail = file.read()
    return hashlib.sha256(head + tail).digest() + str(length).encode()
