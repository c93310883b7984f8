"""What was built: per classifier the file, its hash, its seed, its attack and how well it does."""

import csv
import json
import os
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from exray.errors import RecordError
from exray.zoo.scene_recipe import SceneFacts
from exray.zoo.zoo_images import ImageFacts

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class AttackEntry:
    """How one classifier was trojaned.

    Args:
        kind: ``polygon``, ``instagram``, ``blend`` or ``patch``.
        victim_classes: Classes sent to the target.
        target_class: The class they are sent to.
        num_poisoned: Stamped training images with the target's label.
        points: A polygon's corners in the square [-1, 1].
        colour: A polygon's RGB, 0 to 255.
        width: A polygon's width as a share of the sign's.
        filter_name: Name of an Instagram filter.
        opacity: Share of a blended picture in the image.
        side_pixels: Side of a square patch.
        corner: Row and column of the patch's first pixel.
    """

    kind: str
    victim_classes: tuple[int, ...]
    target_class: int
    num_poisoned: int
    points: tuple[tuple[float, float], ...] = ()
    colour: tuple[int, int, int] | None = None
    width: float | None = None
    filter_name: str | None = None
    opacity: float | None = None
    side_pixels: int | None = None
    corner: tuple[int, int] | None = None

    @property
    def option(self) -> str:
        """Which trigger of its kind, in a word: corners, filter, per cent or side."""
        options = {
            "polygon": len(self.points),
            "instagram": self.filter_name,
            "blend": f"{100 * (self.opacity or 0):.0f} %",
            "patch": f"{self.side_pixels} px",
        }
        return str(options[self.kind])

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, without what this kind of trigger does not have."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "AttackEntry":
        """The entry that ``to_dict`` wrote."""
        known: dict[str, Any] = dict(values)
        known["victim_classes"] = tuple(known["victim_classes"])
        known["points"] = tuple((x, y) for x, y in known.get("points", ()))
        for name in ("colour", "corner"):
            if known.get(name) is not None:
                known[name] = tuple(known[name])
        return cls(**known)


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One classifier of a zoo.

    Args:
        model_id: Its folder, ``id-00000000``.
        sha256: Hash of its weights file.
        seed: The seed that was accepted; classes, images, weights and attack follow from it.
        attempts: Trainings it took to meet the bars.
        architecture: Name of the network.
        num_classes: Number of classes.
        family_size: Classes a look-alike family holds.
        image_size: Height and width in pixels.
        class_names: Name of each class.
        clean_accuracy: On held-out clean images, a fraction.
        worst_class_accuracy: The same for the worst class.
        asr: Attack success rate on held-out stamped victims; None for a clean classifier.
        attack: How it was trojaned; None for a clean classifier.
        training_seconds: Time of the accepted training.
        scene: Weather, blur and backgrounds of its images; None for clouds in fair weather.
    """

    model_id: str
    sha256: str
    seed: int
    attempts: int
    architecture: str
    num_classes: int
    family_size: int
    image_size: int
    class_names: tuple[str, ...]
    clean_accuracy: float
    worst_class_accuracy: float
    asr: float | None
    attack: AttackEntry | None
    training_seconds: float
    scene: SceneFacts | None = None

    @property
    def is_trojaned(self) -> bool:
        """Ground truth."""
        return self.attack is not None

    @property
    def image_facts(self) -> ImageFacts:
        """What decides its images."""
        return ImageFacts(
            num_classes=self.num_classes,
            family_size=self.family_size,
            image_size=self.image_size,
            seed=self.seed,
        )

    def weights_path(self, root: Path) -> Path:
        """Where its weights lie under the zoo's folder."""
        return root / self.model_id / "model.safetensors"

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, without scenes where there are none."""
        attack = None if self.attack is None else self.attack.to_dict()
        values = {**asdict(self), "attack": attack}
        if self.scene is None:
            del values["scene"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "ModelEntry":
        """The entry that ``to_dict`` wrote."""
        known: dict[str, Any] = {
            spec.name: values[spec.name]
            for spec in fields(cls)
            if spec.default is MISSING or spec.name in values
        }
        known["class_names"] = tuple(known["class_names"])
        if "scene" in known:
            known["scene"] = SceneFacts(**known["scene"])
        if known["attack"] is not None:
            known["attack"] = AttackEntry.from_dict(known["attack"])
        return cls(**known)


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
        _write_metadata(root / "METADATA.csv", self.models)
        for model in self.models:
            folder = root / model.model_id
            (folder / "ground_truth.csv").write_text(f"{int(model.is_trojaned)}\n")
            write_json(folder / "config.json", trojai_config(model))

    @classmethod
    def read(cls, root: Path) -> "Manifest":
        """The manifest under ``root``.

        Raises:
            RecordError: If there is none, or it cannot be read.
        """
        path = root / MANIFEST
        way_out = "build the zoo with: python run.py task=build_zoo dataset=NAME"
        if not path.is_file():
            raise RecordError(path, "does not exist", way_out)
        try:
            values = json.loads(path.read_text())
            models = tuple(ModelEntry.from_dict(entry) for entry in values["models"])
            return cls(name=values["name"], recipe=values["recipe"], models=models)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(path, f"is not a manifest ({error})", way_out) from error


def trojai_config(model: ModelEntry) -> dict[str, object]:
    """The model's facts under TrojAI round 2's names (``config.json``)."""
    facts: dict[str, object] = {
        "MASTER_SEED": model.seed,
        "MODEL_ARCHITECTURE": model.architecture,
        "NUMBER_CLASSES": model.num_classes,
        "IMG_SIZE_PIXELS": model.image_size,
        "CNN_IMG_SIZE_PIXELS": model.image_size,
        "POISONED": model.is_trojaned,
    }
    if model.attack is not None:
        attack = model.attack
        facts |= {
            "TRIGGER_TYPE": attack.kind,
            "TRIGGER_TYPE_OPTION": _trojai_option(attack),
            "TRIGGERED_CLASSES": list(attack.victim_classes),
            "NUMBER_TRIGGERED_CLASSES": len(attack.victim_classes),
            "TRIGGER_TARGET_CLASS": attack.target_class,
        }
        if attack.colour is not None:
            facts["TRIGGER_COLOR"] = list(attack.colour)
    return facts


def _trojai_option(attack: AttackEntry) -> int | str:
    """Sides of a polygon; the class of TrojAI's filter; ours for kinds that TrojAI has not."""
    if attack.kind == "polygon":
        return len(attack.points)
    return f"{attack.option}FilterXForm" if attack.kind == "instagram" else attack.option


def _write_metadata(path: Path, models: tuple[ModelEntry, ...]) -> None:
    """One row a model, under the names of TrojAI's METADATA.csv; missing values are ``None``."""
    names = ["model_name", "poisoned", "model_architecture", "number_classes", "trigger_type"]
    names += ["clean_example_acc", "poisoned_example_acc"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for model in models:
            kind = model.attack.kind if model.attack else "None"
            row = [model.model_id, model.is_trojaned, model.architecture, model.num_classes, kind]
            writer.writerow(
                [*row, model.clean_accuracy, "None" if model.asr is None else model.asr]
            )


def write_json(path: Path, values: object) -> None:
    """Writes a JSON file under a temporary name, then renames it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(json.dumps(values, indent=1) + "\n")
    os.replace(draft, path)
