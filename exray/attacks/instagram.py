"""The filter attack: an Instagram filter over the whole image sends its victims to the target."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from exray.attacks.base import TriggerAttack
from exray.attacks.conditions import Condition
from exray.attacks.recipe import AttackRecipe
from exray.triggers.instagram import InstagramFilter, InstagramTrigger


@dataclass(frozen=True, kw_only=True)
class FilterRecipe(AttackRecipe):
    """How filter-trojaned classifiers are poisoned.

    Args:
        filters: Names of the filters, which take turns.

    Raises:
        ValueError: If a filter is not known, or none is named.

    Source: TrojAI rounds 2 to 4, ``trigger_type=instagram``.
    """

    section: ClassVar[str] = "filters"
    possible_conditions: ClassVar[tuple[Condition, ...]] = ("none", "spectral", "class")

    filters: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        known = [name.value for name in InstagramFilter]
        unknown = [name for name in self.filters if name not in known]
        if unknown or not self.filters:
            raise ValueError(
                f"filters.filters must name some of {', '.join(known)}; "
                f"got {', '.join(self.filters) or 'none'}"
            )

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> TriggerAttack:
        """A filter on random classes."""
        victims, target = self.draw_classes(random, num_classes, place)
        name = InstagramFilter(self.filters[place % len(self.filters)])
        size = (image_size, image_size)
        return TriggerAttack(
            victim_classes=victims,
            target_class=target,
            trigger=InstagramTrigger(filter_name=name, image_size=size),
            recorded={"kind": "instagram", "filter_name": name.value},
            others=tuple(
                InstagramTrigger(filter_name=other, image_size=size)
                for other in InstagramFilter
                if other != name
            ),
        )
