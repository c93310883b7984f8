"""The interface of SRI's trigger shapes: what is optimised per class, and for how long."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.triggers.base import Trigger

NUM_DRAWS = 4  # random numbers that an augmentation may use in a step


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The state of the clock in one step of a search.

    Args:
        round_index: Index of the round; each round starts anew from random values.
        step: Within the round, from 0.
        draws: Random numbers per class for this step, in [-1, 1].
    """

    round_index: int
    step: int
    draws: Float[Tensor, "p 4"]


@dataclass(frozen=True, kw_only=True)
class SearchSchedule:
    """How long a search runs, and with which optimiser settings.

    Args:
        rounds: Searches from new starts; each is penalised for likeness to the earlier ones.
        steps: Adam steps per round.
        images_per_class: Images per class and step.
        learning_rate: Adam's.
        betas: Adam's.
    """

    rounds: int
    steps: int
    images_per_class: int
    learning_rate: float
    betas: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("rounds", "steps", "images_per_class"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1; got {getattr(self, name)!r}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate!r}")


@dataclass(frozen=True, kw_only=True)
class UntargetedShape(ABC):
    """A kind of trigger: its parameters, how it changes images and its loss.

    Args:
        schedule: Rounds, steps and Adam's numbers.
    """

    shrinks: ClassVar[bool]  # whether optimisation shrinks a trigger once it flips its images

    schedule: SearchSchedule

    @abstractmethod
    def start(
        self, streams: Sequence[torch.Generator], image_size: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """Initial parameters, one row per random stream."""

    @abstractmethod
    def stamp(
        self, images: Float[Tensor, "p m 3 h w"], values: Sequence[Tensor], moment: Moment
    ) -> Float[Tensor, "p m 3 h w"]:
        """The augmented images with the triggers in them."""

    @abstractmethod
    def flip_loss(
        self,
        probabilities: Float[Tensor, "p m k"],
        victims: Int[Tensor, " p"],
        moment: Moment,
    ) -> Float[Tensor, " p"]:
        """Loss that is low where images are not classified as their own class."""

    @abstractmethod
    def penalty(
        self,
        values: Sequence[Tensor],
        previous: Float[Tensor, "r p d"],
        moment: Moment,
    ) -> Float[Tensor, " p"]:
        """Penalty on size, form and likeness to the earlier rounds' triggers."""

    @abstractmethod
    def size_shares(self, values: Sequence[Tensor]) -> Float[Tensor, " p"]:
        """Share of the image that each trigger covers."""

    @abstractmethod
    def descriptor(self, values: Sequence[Tensor]) -> Float[Tensor, "p d"]:
        """Vector by which two triggers are compared."""

    @abstractmethod
    def trigger(self, values: Sequence[Tensor], image_size: tuple[int, int]) -> Trigger:
        """The hardened trigger of one class's rows."""
