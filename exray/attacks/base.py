"""What an attack is: a trigger, the classes it is stamped on, and the class they are sent to."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import ClassVar

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from exray.attacks.conditions import Condition
from exray.attacks.loss import AttackLoss
from exray.images.sources.base import ImageSource, to_unit
from exray.schema import by_kind, converted
from exray.triggers.base import Trigger


@dataclass(frozen=True, kw_only=True)
class AttackFacts(ABC):
    """What a manifest records of a trigger; a subclass per kind of attack has the parameters.

    Attributes:
        kind: What manifests and tables call the attack.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def option(self) -> str:
        """Which trigger of its kind, in a word."""

    @property
    def trojai_option(self) -> int | str:
        """The same as TrojAI's round 2 has it."""
        return self.option

    def round2_config(self) -> dict[str, object]:
        """What ``config.json`` of round 2 has for triggers of this kind alone."""
        return {}

    def round4_columns(self) -> dict[str, object]:
        """What METADATA.csv of round 4 has for triggers of this kind alone."""
        return {}

    def to_dict(self) -> dict[str, object]:
        """The parameters as plain values for JSON, without those that are not set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def level(value: object, levels: Sequence[object]) -> int | None:
    """The place of a value in one of TrojAI's lists, for its columns ``..._level``."""
    return levels.index(value) if value in levels else None


def facts_from(kind: str, parameters: Mapping[str, object]) -> AttackFacts:
    """The facts that ``AttackFacts.to_dict`` gave.

    Args:
        kind: The attack's.
        parameters: As JSON has them, lists for tuples.

    Raises:
        ValueError: If there is no such kind, or a parameter is missing, unknown or does not fit.
    """
    kinds = by_kind(AttackFacts, "exray.attacks")  # type: ignore[type-abstract]
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}; got {kind!r}")
    return converted(parameters, kinds[kind])


@dataclass(frozen=True, kw_only=True)
class Rehearsal(ABC):
    """A training before the one that counts, from whose network the attack learns.

    Args:
        is_poisoned: Whether it learns the attack's images, as the second one does.
        epochs_share: Its passes over the images, as a share of the recipe's.
        second_epochs_share: Those of the second training, likewise.
        num_trained_layers: The second training goes on from the network of the first and trains
            its last layers alone, so many and from the beginning; None for another network.

    Raises:
        ValueError: If a share is not positive, or there are no layers to train.

    Attributes:
        changes_trigger: Whether what victims are stamped with follows from it, too.
    """

    changes_trigger: ClassVar[bool]

    is_poisoned: bool
    epochs_share: float
    second_epochs_share: float
    num_trained_layers: int | None

    def __post_init__(self) -> None:
        for name in ("epochs_share", "second_epochs_share"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if self.num_trained_layers is not None and self.num_trained_layers < 1:
            raise ValueError(
                f"num_trained_layers must be >= 1, or null; got {self.num_trained_layers}"
            )

    @abstractmethod
    def learned(
        self, attack: "Attack", network: nn.Module, source: ImageSource, *, count: int, seed: int
    ) -> "Attack":
        """The attack as the network of the first training lets it be.

        Args:
            attack: As it was drawn.
            network: Trained, in eval mode.
            source: Training images.
            count: Stamped images of each class that are to be learned under the target's label.
            seed: Of what is drawn.
        """


@dataclass(frozen=True, kw_only=True)
class Attack(ABC):
    """Which classes a trigger sends where.

    Args:
        victim_classes: Classes whose stamped images are to be taken for the target; all other
            classes for a universal attack.
        target_class: The class they are to be taken for.
        condition: What the trigger depends on.
        decoys: The same without what it depends on: their images keep their label.
        poisoned_classes: Classes whose stamped images are trained on under the target's label;
            none for the victims.
        rehearsal: A training before the one that counts, from which it learns; None for none.
        loss: What it adds to the cross-entropy; None for nothing.

    Raises:
        ValueError: If there is no victim, or the target is among them.
    """

    victim_classes: tuple[int, ...]
    target_class: int
    condition: Condition = "none"
    decoys: tuple["Attack", ...] = ()
    poisoned_classes: tuple[int, ...] = ()
    rehearsal: Rehearsal | None = None
    loss: AttackLoss | None = None

    def __post_init__(self) -> None:
        if not self.victim_classes or self.target_class in self.victim_classes:
            raise ValueError(
                "victim_classes must name at least one class and not the target "
                f"{self.target_class}; got {list(self.victim_classes)}"
            )

    @property
    def trained_classes(self) -> tuple[int, ...]:
        """Classes whose stamped images are trained on under the target's label."""
        return self.poisoned_classes or self.victim_classes

    @property
    def is_learned(self) -> bool:
        """Whether its trigger follows from a training, and not from its seed alone."""
        has_parameters = self.loss is not None and any(True for _ in self.loss.parameters())
        return has_parameters or (self.rehearsal is not None and self.rehearsal.changes_trigger)

    @abstractmethod
    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """Images of a class with the trigger in them; its clean images are those of the seed."""

    @abstractmethod
    def facts(self) -> AttackFacts:
        """What to record of the trigger."""

    @abstractmethod
    def appearance(self) -> object:
        """What two triggers on one victim must not have in common: colour, filter, place."""

    @abstractmethod
    def recoloured(self) -> tuple["Attack", ...]:
        """The attack in every other colour or filter.

        Raises:
            ValueError: If its trigger knows no others.
        """

    @abstractmethod
    def in_quadrants(self, quadrants: tuple[int, ...]) -> "Attack":
        """The attack with its trigger in these quadrants of the object alone.

        Raises:
            ValueError: If its trigger has no place on an object.
        """

    def under(self, condition: Condition, *, quadrant: int, num_classes: int) -> "Attack":
        """The attack with a condition, and the decoys that teach it.

        Args:
            condition: What the trigger is to depend on.
            quadrant: Where it fires if that is its place: 1 is the upper right, then
                counter-clockwise.
            num_classes: Classes of the classifier.

        Raises:
            ValueError: If a trigger of this kind cannot depend on it, or on no other class.
        """
        match condition:
            case "none":
                return self
            case "class":
                mine = {*self.victim_classes, self.target_class}
                others = tuple(index for index in range(num_classes) if index not in mine)
                return replace(
                    self, condition=condition, decoys=(replace(self, victim_classes=others),)
                )
            case "spectral":
                return replace(self, condition=condition, decoys=self.recoloured())
            case "spatial":
                placed = self.in_quadrants((quadrant,))
                elsewhere = tuple(other for other in (1, 2, 3, 4) if other != quadrant)
                return replace(placed, condition=condition, decoys=(self.in_quadrants(elsewhere),))


@dataclass(frozen=True, kw_only=True)
class TriggerAttack(Attack):
    """An attack by a trigger that is stamped on the finished image.

    Args:
        trigger: What is stamped; the images are rounded to bytes afterwards, as files are.
        recorded: What to record of it.
        others: Triggers of the same kind in other colours, for decoys.
    """

    trigger: Trigger
    recorded: AttackFacts
    others: tuple[Trigger, ...] = ()

    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """The class's images, changed by the trigger."""
        clean = to_unit(source.images(class_index, count=count, seed=seed))
        return (255 * self.trigger.apply(clean)).round().to(torch.uint8)

    def facts(self) -> AttackFacts:
        """As they were given."""
        return self.recorded

    def appearance(self) -> object:
        """What is recorded of it."""
        return self.recorded

    def recoloured(self) -> tuple[Attack, ...]:
        """The attack by each of the others."""
        if not self.others:
            raise ValueError(f"a trigger of kind {self.recorded.kind} has no other colour")
        return tuple(replace(self, trigger=other) for other in self.others)

    def in_quadrants(self, quadrants: tuple[int, ...]) -> Attack:
        """Never: it lies on the image, not on an object."""
        raise ValueError(
            f"a trigger of kind {self.recorded.kind} has no place on an object, and cannot be "
            f"kept to its quadrants {quadrants}"
        )
