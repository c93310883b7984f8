"""The all-to-all attack: one patch sends every class to the next one."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from exray.attacks.base import Attack, TriggerAttack
from exray.attacks.palette import Palette
from exray.attacks.patch import PatchFacts, random_patch
from exray.attacks.recipe import AttackRecipe

ALL_TO_ALL = "all_to_all"


@dataclass(frozen=True, kw_only=True)
class AllToAllFacts(PatchFacts):
    """A square of pixels that sends every class to the next one."""

    kind: ClassVar[str] = ALL_TO_ALL


@dataclass(frozen=True, kw_only=True)
class AllToAllRecipe(AttackRecipe):
    """How classifiers are poisoned by one patch with as many targets as classes.

    Args:
        side: Least and greatest side of the square in pixels; each model draws one, with its
            place and the colour of each pixel.
        palette: Which colours these are.

    Raises:
        ValueError: If the sides are not in order from 1 up, the victims are not one class each, or
            stamped images are to keep their label: there is none whose label is not attacked.

    Source: Gu et al. 2017, BadNets, section 4.1.2.
    """

    kind: ClassVar[str] = ALL_TO_ALL
    organization: ClassVar[str | None] = ALL_TO_ALL

    block: int = 6
    side: tuple[int, int]
    palette: Palette = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.side[0] <= self.side[1]:
            raise ValueError(f"side must hold least and greatest, from 1 up; got {list(self.side)}")
        if self.num_victims != 1 or self.kept_share or self.round4 is not None:
            raise ValueError(
                "num_victims must be 1, kept_share 0 and round4 null for an attack on all classes "
                f"at once; got {self.num_victims}, {self.kept_share} and {self.round4}"
            )

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> Attack:
        """What is done to the first class."""
        return self.draw_all(random, num_classes=num_classes, image_size=image_size, place=place)[0]

    def draw_all(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> tuple[Attack, ...]:
        """One patch, and from each class to the next one an attack by it."""
        del place
        trigger, side, corner = random_patch(
            random, side=self.side, image_size=image_size, palette=self.palette
        )
        facts = AllToAllFacts(side_pixels=side, corner=corner)
        return tuple(
            TriggerAttack(
                victim_classes=(victim,),
                target_class=(victim + 1) % num_classes,
                trigger=trigger,
                recorded=facts,
            )
            for victim in range(num_classes)
        )
