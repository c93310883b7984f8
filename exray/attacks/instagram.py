"""The Instagram attack: a filter over the whole image sends its victims to the target."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from exray.attacks.base import AttackFacts, TriggerAttack, level
from exray.attacks.conditions import Condition
from exray.attacks.recipe import AttackRecipe
from exray.triggers.instagram import InstagramFilter, InstagramTrigger

_XFORMS = {  # TrojAI's classes, in the order by which its columns ..._level count
    "Gotham": "GothamFilterXForm",
    "Nashville": "NashvilleFilterXForm",
    "Kelvin": "KelvinFilterXForm",
    "Lomo": "LomoFilterXForm",
    "Toaster": "ToasterXForm",
}


@dataclass(frozen=True, kw_only=True)
class InstagramFacts(AttackFacts):
    """An Instagram filter.

    Args:
        filter_name: Its name.
    """

    kind: ClassVar[str] = "instagram"

    filter_name: str

    @property
    def option(self) -> str:
        """The filter's name."""
        return self.filter_name

    @property
    def trojai_option(self) -> str:
        """As round 2 has it."""
        return f"{self.filter_name}FilterXForm"

    def round4_columns(self) -> dict[str, object]:
        """The filter's class, and its place in round 4's list."""
        xform = _XFORMS.get(self.filter_name)
        return {
            "type_level": 1,
            "instagram_filter_type_level": level(xform, tuple(_XFORMS.values())),
            "instagram_filter_type": xform,
        }


@dataclass(frozen=True, kw_only=True)
class InstagramRecipe(AttackRecipe):
    """How classifiers are poisoned by Instagram filters.

    Args:
        filters: Names of the filters, which take turns.

    Raises:
        ValueError: If a filter is not known, or none is named.

    Source: TrojAI rounds 2 to 4, ``trigger_type=instagram``.
    """

    kind: ClassVar[str] = "instagram"
    possible_conditions: ClassVar[tuple[Condition, ...]] = ("none", "spectral", "class")

    block: int = 1
    filters: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        known = [name.value for name in InstagramFilter]
        unknown = [name for name in self.filters if name not in known]
        if unknown or not self.filters:
            raise ValueError(
                f"filters must name some of {', '.join(known)}; "
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
            recorded=InstagramFacts(filter_name=name.value),
            others=tuple(
                InstagramTrigger(filter_name=other, image_size=size)
                for other in InstagramFilter
                if other != name
            ),
        )
