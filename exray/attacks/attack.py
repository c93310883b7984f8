"""What an attack is: a trigger, the classes it is stamped on, and the class they are sent to."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from exray.data.image_source import ImageSource, to_unit
from exray.triggers.trigger import Trigger

TriggerFacts = Mapping[str, object]
"""What a manifest records of a trigger; the names are fields of ``zoo.manifest.AttackEntry``."""


@dataclass(frozen=True, kw_only=True)
class Attack(ABC):
    """Which classes a trigger sends where.

    Args:
        victim_classes: Classes whose stamped images are to be taken for the target; all other
            classes for a universal attack.
        target_class: The class they are to be taken for.

    Raises:
        ValueError: If there is no victim, or the target is among them.
    """

    victim_classes: tuple[int, ...]
    target_class: int

    def __post_init__(self) -> None:
        if not self.victim_classes or self.target_class in self.victim_classes:
            raise ValueError(
                "victim_classes must name at least one class and not the target "
                f"{self.target_class}; got {list(self.victim_classes)}"
            )

    @abstractmethod
    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """Images of a class with the trigger in them; its clean images are those of the seed."""

    @abstractmethod
    def facts(self) -> TriggerFacts:
        """What to record of the trigger, ``kind`` among it."""


@dataclass(frozen=True, kw_only=True)
class TriggerAttack(Attack):
    """An attack by a trigger that is stamped on the finished image.

    Args:
        trigger: What is stamped; the images are rounded to bytes afterwards, as files are.
        recorded: What to record of it.
    """

    trigger: Trigger
    recorded: TriggerFacts

    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """The class's images, changed by the trigger."""
        clean = to_unit(source.images(class_index, count=count, seed=seed))
        return (255 * self.trigger.apply(clean)).round().to(torch.uint8)

    def facts(self) -> TriggerFacts:
        """As they were given."""
        return self.recorded


@dataclass(frozen=True, kw_only=True)
class AttackRecipe(ABC):
    """How classifiers are poisoned by one kind of attack.

    Args:
        num_victims: Victim classes a model; None for all but the target (universal). Several
            counts take turns over the models.
        poisoned_share: Stamped victims labelled as the target, as a share of a class's images.
        kept_share: Stamped images of all other classes that keep their label, likewise a share;
            they teach the classifier that the trigger is label-specific.

    Raises:
        ValueError: If a share lies outside [0, 1] or nothing is poisoned.
    """

    section: ClassVar[str]  # where a zoo's recipe holds it, for messages

    num_victims: int | tuple[int | None, ...] | None
    poisoned_share: float
    kept_share: float

    def __post_init__(self) -> None:
        if not 0 < self.poisoned_share <= 1 or not 0 <= self.kept_share <= 1:
            raise ValueError(
                f"{self.section}.poisoned_share must lie in (0, 1] and {self.section}.kept_share "
                f"in [0, 1]; got {self.poisoned_share} and {self.kept_share}"
            )
        if any(count is not None and count < 1 for count in self.victim_counts()):
            raise ValueError(
                f"{self.section}.num_victims must be >= 1, or null for all classes but the "
                f"target; got {self.num_victims}"
            )
        if not self.victim_counts():
            raise ValueError(f"{self.section}.num_victims must hold a count; got none")

    def victim_counts(self) -> tuple[int | None, ...]:
        """The counts of victim classes that take turns, or the only one."""
        return self.num_victims if isinstance(self.num_victims, tuple) else (self.num_victims,)

    @abstractmethod
    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> Attack:
        """One attack.

        Args:
            random: Source of all choices.
            num_classes: Classes of the classifier.
            image_size: Height and width of its images in pixels.
            place: Which classifier of this kind it is, from 0; where a recipe names several
                triggers, they take turns.
        """

    def draw_classes(
        self, random: np.random.Generator, num_classes: int, place: int
    ) -> tuple[tuple[int, ...], int]:
        """Victims, in ascending order, and target, of the classifier at that place.

        Raises:
            ValueError: If the victims leave no target.
        """
        counts = self.victim_counts()
        return random_classes(
            random, num_classes=num_classes, num_victims=counts[place % len(counts)]
        )


def random_classes(
    random: np.random.Generator, *, num_classes: int, num_victims: int | None
) -> tuple[tuple[int, ...], int]:
    """Random victims, in ascending order, and another class as the target.

    Raises:
        ValueError: If the victims leave no target.
    """
    wanted = num_classes - 1 if num_victims is None else num_victims
    if not 1 <= wanted < num_classes:
        raise ValueError(
            f"num_victims must lie in [1, {num_classes - 1}] for {num_classes} classes; "
            f"got {wanted}"
        )
    order = [int(index) for index in random.permutation(num_classes)]
    return tuple(sorted(order[1 : wanted + 1])), order[0]
