"""What is recorded of one classifier of a zoo."""

from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from exray.zoo.adversarial_training import AdversarialTraining
from exray.zoo.image_sets import ImageFacts
from exray.zoo.scene_recipe import SceneFacts


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
        condition: What it fires on, as round 4 has it; None for always.
        quadrant: Where on the object it fires, 1 to 4 against the clock from the upper right.
        fraction: Share of a victim's training images that are stamped.
        num_decoys: Stamped training images that lack the condition and keep their label.
        decoy_rate: Share of held-out decoys that reach the target nevertheless.
        asr: Its own attack success rate, where the classifier has several triggers.
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
    condition: str | None = None
    quadrant: int | None = None
    fraction: float | None = None
    num_decoys: int | None = None
    decoy_rate: float | None = None
    asr: float | None = None

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
        asr: Attack success rate on held-out stamped victims, the lowest of its triggers; None for
            a clean classifier.
        attack: How it was trojaned; None for a clean classifier.
        training_seconds: Time of the accepted training.
        scene: Weather, blur and backgrounds of its images; None for clouds in fair weather.
        further_attacks: Its second trigger, if it has one.
        organization: How its triggers go together, as round 4 has it; None for one trigger.
        adversarial: How it was hardened; None for plain training.
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
    further_attacks: tuple[AttackEntry, ...] = ()
    organization: str | None = None
    adversarial: AdversarialTraining | None = None

    @property
    def attacks(self) -> tuple[AttackEntry, ...]:
        """All its triggers, in order."""
        return () if self.attack is None else (self.attack, *self.further_attacks)

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
        """Plain values for JSON, without what it does not have."""
        attack = None if self.attack is None else self.attack.to_dict()
        further = [each.to_dict() for each in self.further_attacks]
        values = {**asdict(self), "attack": attack, "further_attacks": further}
        for spec in fields(self):
            if spec.default is not MISSING and not values[spec.name]:
                del values[spec.name]
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
        known["further_attacks"] = tuple(
            AttackEntry.from_dict(each) for each in known.get("further_attacks", ())
        )
        for name, kind in (("scene", SceneFacts), ("adversarial", AdversarialTraining)):
            if name in known:
                known[name] = kind(**known[name])
        if known["attack"] is not None:
            known["attack"] = AttackEntry.from_dict(known["attack"])
        return cls(**known)
