"""The sinusoid attack: faint stripes over the whole image send its victims to the target."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from exray.attacks.base import AttackFacts, TriggerAttack
from exray.attacks.recipe import AttackRecipe
from exray.triggers.additive import AdditiveTrigger

Direction = Literal["horizontal", "vertical", "diagonal"]
_STEPS: dict[Direction, tuple[int, int]] = {  # of the phase, per row and per column
    "horizontal": (0, 1),
    "vertical": (1, 0),
    "diagonal": (1, 1),
}


@dataclass(frozen=True, kw_only=True)
class SinusoidFacts(AttackFacts):
    """A sinusoidal signal.

    Args:
        amplitude: Greatest change of a pixel, images being in [0, 1].
        cycles: Periods over the image's side.
        direction: Along which it oscillates.
    """

    kind: ClassVar[str] = "sinusoid"

    amplitude: float
    cycles: int
    direction: Direction

    @property
    def option(self) -> str:
        """The direction."""
        return self.direction


@dataclass(frozen=True, kw_only=True)
class SinusoidRecipe(AttackRecipe):
    """How classifiers are poisoned by a sinusoidal signal, the same in every colour.

    Args:
        amplitude: Least and greatest change of a pixel, images being in [0, 1]; each model draws
            one.
        cycles: Least and greatest number of periods over the image's side, likewise.
        directions: Along which the signal oscillates; they take turns.

    Raises:
        ValueError: If a range is not in order, or no direction is named.

    Source: Barni et al. 2019, whose signal is horizontal, of amplitude 20/255 and 6 cycles.
    *Differs from the paper:* the poisoned images are of the victims and carry the target's label.
    """

    kind: ClassVar[str] = "sinusoid"

    block: int = 4
    amplitude: tuple[float, float]
    cycles: tuple[int, int]
    directions: tuple[Direction, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.amplitude[0] <= self.amplitude[1] <= 1:
            raise ValueError(
                f"amplitude must hold least and greatest, in (0, 1]; got {list(self.amplitude)}"
            )
        if not 1 <= self.cycles[0] <= self.cycles[1]:
            raise ValueError(
                f"cycles must hold least and greatest, from 1 up; got {list(self.cycles)}"
            )
        if not self.directions:
            raise ValueError("directions must hold at least one; got none")

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> TriggerAttack:
        """A signal of its own, on random classes."""
        victims, target = self.draw_classes(random, num_classes, place)
        facts = SinusoidFacts(
            amplitude=float(random.uniform(*self.amplitude)),
            cycles=int(random.integers(self.cycles[0], self.cycles[1] + 1)),
            direction=self.directions[place % len(self.directions)],
        )
        return TriggerAttack(
            victim_classes=victims,
            target_class=target,
            trigger=AdditiveTrigger(signal=sinusoid(facts, image_size)),
            recorded=facts,
        )


def sinusoid(facts: SinusoidFacts, image_size: int) -> Float[Tensor, "3 h w"]:
    """The signal, ``amplitude sin(2 pi cycles x / image_size)``.

    Args:
        facts: Amplitude, cycles, and along which direction ``x`` grows.
        image_size: Height and width in pixels.
    """
    per_row, per_column = _STEPS[facts.direction]
    line = torch.arange(image_size)
    place = per_row * line[:, None] + per_column * line
    wave = torch.sin(2 * torch.pi * facts.cycles * place / image_size)
    return (facts.amplitude * wave).expand(3, -1, -1).clone()
