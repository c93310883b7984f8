"""What was built: per classifier the file, its hash, its seed, its attack and how well it does."""

import json
from dataclasses import dataclass
from pathlib import Path

from exray.errors import RecordError
from exray.storage.atomic_files import write_json
from exray.zoo.entries import ModelEntry
from exray.zoo.trojai_metadata import trojai_config, write_metadata

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A zoo's contents.

    Args:
        name: What the zoo is called.
        recipe: The recipe it was built from, as plain values.
        models: Its classifiers, in the order of their ids.
    """

    name: str
    recipe: dict[str, object]
    models: tuple[ModelEntry, ...]

    def entry(self, model_id: str) -> ModelEntry:
        """The classifier of that id.

        Raises:
            KeyError: If the zoo has none.
        """
        return {model.model_id: model for model in self.models}[model_id]

    def write(self, root: Path) -> None:
        """Writes the manifest, METADATA.csv and each model's TrojAI files under ``root``."""
        values = {
            "name": self.name,
            "recipe": self.recipe,
            "models": [model.to_dict() for model in self.models],
        }
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
            values = json.loads(path.read_text())
            models = tuple(ModelEntry.from_dict(entry) for entry in values["models"])
            return cls(name=values["name"], recipe=values["recipe"], models=models)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(path, f"is not a manifest ({error})", way_out) from error
