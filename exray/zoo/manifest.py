"""What was built: per classifier the file, its hash, its seed, its attack and how well it does."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from exray.errors import RecordError
from exray.schema import at, converted
from exray.storage.atomic_files import write_json
from exray.zoo.entries import ModelEntry
from exray.zoo.trojai_metadata import trojai_config, write_metadata

MANIFEST = "manifest.json"
RECIPE = "recipe.json"  # of the zoo, there from the beginning of its build
FORMAT = 2  # 1, without a number: a count and a section per kind of attack, flat attack entries


class _StoredManifest(Struct, frozen=True):
    """The JSON of a manifest."""

    name: str
    recipe: dict[str, object]
    models: list[dict[str, object]]
    left_out: list[str] = []
    format: Annotated[int, Meta(ge=1, le=FORMAT, description="1 or 2, or exray is too old")] = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A zoo's contents.

    Args:
        name: What the zoo is called.
        recipe: The recipe it was built from, as plain values.
        models: Its classifiers, in the order of their ids.
        left_out: Ids of those that never met their bars.
    """

    name: str
    recipe: dict[str, object]
    models: tuple[ModelEntry, ...]
    left_out: tuple[str, ...] = ()

    def entry(self, model_id: str) -> ModelEntry:
        """The classifier of that id.

        Raises:
            KeyError: If the zoo has none.
        """
        return {model.model_id: model for model in self.models}[model_id]

    def write(self, root: Path) -> None:
        """Writes the manifest, METADATA.csv and each model's TrojAI files under ``root``."""
        values: dict[str, object] = {
            "format": FORMAT,
            "name": self.name,
            "recipe": self.recipe,
            "models": [model.to_dict() for model in self.models],
        }
        if self.left_out:
            values["left_out"] = list(self.left_out)
        write_json(root / MANIFEST, values)
        write_metadata(root / "METADATA.csv", self.models)
        for model in self.models:
            folder = root / model.model_id
            (folder / "ground_truth.csv").write_text(f"{int(model.is_trojaned)}\n")
            write_json(folder / "config.json", trojai_config(model))

    @classmethod
    def read(cls, root: Path, *, dataset: str = "NAME") -> "Manifest":
        """The manifest under ``root``.

        Args:
            root: The zoo's folder.
            dataset: The option that builds it, for the way out of a mistake.

        Raises:
            RecordError: If there is none, or it cannot be read.
        """
        path = root / MANIFEST
        way_out = (
            "dataset.root names the zoo's folder; build the zoo there with: "
            f"python run.py task=build_zoo dataset={dataset} dataset.root={root}"
        )
        if not path.is_file():
            raise RecordError(path, "does not exist", way_out)
        try:
            stored = converted(json.loads(path.read_text("utf-8")), _StoredManifest)
            models = tuple(_entry(number, entry) for number, entry in enumerate(stored.models))
        except (ValueError, RecursionError) as error:
            raise RecordError(path, f"is not a manifest ({error})", way_out) from error
        return cls(
            name=stored.name,
            recipe=stored.recipe,
            models=models,
            left_out=tuple(stored.left_out),
        )

    @classmethod
    def read_unfinished(cls, root: Path, *, name: str) -> "Manifest | None":
        """What there is of a zoo that is being built; None if the folder holds no beginning of one.

        Args:
            root: The zoo's folder.
            name: What the zoo is called.
        """
        entries = sorted(root.glob("id-*/entry.json"))
        if not entries or not (root / RECIPE).is_file():
            return None
        return cls(
            name=name,
            recipe=json.loads((root / RECIPE).read_text("utf-8")),
            models=tuple(
                ModelEntry.from_dict(json.loads(path.read_text("utf-8"))) for path in entries
            ),
        )


def _entry(number: int, values: dict[str, object]) -> ModelEntry:
    with at(f"models[{number}]"):
        return ModelEntry.from_dict(values)
