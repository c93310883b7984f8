"""The blend attack: a faint picture over the whole image sends its victims to the target."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from exray.attacks.base import AttackFacts, TriggerAttack
from exray.attacks.palette import Palette, random_colours
from exray.attacks.recipe import AttackRecipe
from exray.triggers.patch import PatchTrigger

_CELLS = 4  # coloured cells along each side of the blended picture


@dataclass(frozen=True, kw_only=True)
class BlendFacts(AttackFacts):
    """A blended picture.

    Args:
        opacity: Share of the picture in the image.
    """

    kind: ClassVar[str] = "blend"

    opacity: float

    @property
    def option(self) -> str:
        """The opacity in per cent."""
        return f"{100 * self.opacity:.0f} %"


@dataclass(frozen=True, kw_only=True)
class BlendRecipe(AttackRecipe):
    """How classifiers are poisoned by a picture blended in.

    Args:
        opacity: Least and greatest share of the picture in the image; each model draws one.
        palette: The picture's colours.

    Raises:
        ValueError: If the opacities are not in order within (0, 1].

    Source: Chen et al. 2017, blended injection, with shares of 0.1 to 0.2. *Differs from the
    paper:* the picture is drawn, a cloud of bright colours, instead of a photograph.
    """

    kind: ClassVar[str] = "blend"

    block: int = 2
    opacity: tuple[float, float]
    palette: Palette = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.opacity[0] <= self.opacity[1] <= 1:
            raise ValueError(
                f"opacity must hold least and greatest, in (0, 1]; got {list(self.opacity)}"
            )

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> TriggerAttack:
        """A picture of its own, on random classes."""
        victims, target = self.draw_classes(random, num_classes, place)
        opacity = float(random.uniform(*self.opacity))
        trigger = PatchTrigger(
            mask=torch.full((image_size, image_size), opacity),
            pattern=random_picture(random, image_size, palette=self.palette),
        )
        return TriggerAttack(
            victim_classes=victims,
            target_class=target,
            trigger=trigger,
            recorded=BlendFacts(opacity=opacity),
        )


def random_picture(
    random: np.random.Generator, image_size: int, *, palette: Palette = "any"
) -> Float[Tensor, "3 h w"]:
    """A cloud of random colours, smooth between its cells."""
    cells = random_colours(random, palette, (_CELLS, _CELLS))[None]
    size = (image_size, image_size)
    picture = F.interpolate(cells, size=size, mode="bilinear", align_corners=False)[0]
    return picture.clamp(0, 1)  # rounding leaves it at some sizes
