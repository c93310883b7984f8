"""What is recorded of one classifier of a zoo."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path

from exray.attacks.base import AttackFacts, facts_from
from exray.schema import at, constructed, converted
from exray.zoo.adversarial_training import AdversarialTraining
from exray.zoo.image_sets import ImageFacts
from exray.zoo.scene_recipe import SceneFacts


@dataclass(frozen=True, kw_only=True)
class AttackEntry:
    """How one classifier was trojaned.

    Args:
        facts: The trigger: its kind and that kind's parameters.
        victim_classes: Classes sent to the target.
        target_class: The class they are sent to.
        num_poisoned: Stamped training images with the target's label.
        condition: What it fires on, as round 4 has it; None for always.
        fraction: Share of a victim's training images that are stamped.
        num_decoys: Stamped images that lack the condition and keep their label: those trained on,
            or those tested where the training makes its own.
        decoy_rate: Share of held-out decoys that reach the target nevertheless.
        asr: Its own attack success rate, where the classifier has several triggers.
    """

    facts: AttackFacts
    victim_classes: tuple[int, ...]
    target_class: int
    num_poisoned: int
    condition: str | None = None
    fraction: float | None = None
    num_decoys: int | None = None
    decoy_rate: float | None = None
    asr: float | None = None

    @property
    def kind(self) -> str:
        """The attack's kind, as ``polygon``."""
        return self.facts.kind

    @property
    def option(self) -> str:
        """Which trigger of its kind, in a word: corners, filter, per cent or side."""
        return self.facts.option

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, without what this trigger does not have."""
        values = {
            spec.name: getattr(self, spec.name) for spec in fields(self) if spec.name != "facts"
        }
        known = {name: value for name, value in values.items() if value is not None}
        return {"kind": self.kind, **known, "parameters": self.facts.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "AttackEntry":
        """The entry that ``to_dict`` wrote, or the flat one of manifests of format 1.

        Raises:
            ValueError: If a value is missing, unknown or does not fit.
        """
        own = {spec.name for spec in fields(cls)}
        common = {name: value for name, value in values.items() if name in own}
        others = {name: value for name, value in values.items() if name not in own | {"kind"}}
        nested = others.pop("parameters", None)
        with at("parameters"):
            parameters = others if nested is None else converted(nested, dict) | others
            facts = facts_from(str(values.get("kind")), parameters)
        return constructed(common, cls, ready={"facts": facts})


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
        variation: Name of the recipe's variation by which it was trained; None for none.
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
    variation: str | None = None

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
        first = None if self.attack is None else self.attack.to_dict()
        further = [attack.to_dict() for attack in self.further_attacks]
        values = {**asdict(self), "attack": first, "further_attacks": further}
        for spec in fields(self):
            if spec.default is not MISSING and not values[spec.name]:
                del values[spec.name]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "ModelEntry":
        """The entry that ``to_dict`` wrote.

        Raises:
            ValueError: If a value is missing, unknown or does not fit.
        """
        rest = dict(values)
        stored = rest.pop("attack", None)
        with at("attack"):
            attack = None if stored is None else AttackEntry.from_dict(converted(stored, dict))
        with at("further_attacks"):
            others = converted(rest.pop("further_attacks", []), list)
            further = tuple(AttackEntry.from_dict(converted(other, dict)) for other in others)
        return constructed(rest, cls, ready={"attack": attack, "further_attacks": further})
