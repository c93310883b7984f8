"""What SRI's search optimises for each class, and for how long: the interface of its shapes."""

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
    """How far a search is.

    Args:
        round_index: Of the searches from other starts.
        step: Within the round, from 0.
        draws: Random numbers of each class for this step, in [-1, 1].
    """

    round_index: int
    step: int
    draws: Float[Tensor, "p 4"]


@dataclass(frozen=True, kw_only=True)
class SearchSchedule:
    """How a search runs.

    Args:
        rounds: Searches from other starts, each told to differ from those before.
        steps: Adam steps of each.
        images_per_class: Images that a class sees in a step.
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
                raise ValueError(
                    f"scanner.engine.shapes.schedule.{name} must be >= 1; "
                    f"got {getattr(self, name)!r}"
                )
        if not self.learning_rate > 0:
            raise ValueError(
                "scanner.engine.shapes.schedule.learning_rate must be positive; "
                f"got {self.learning_rate!r}"
            )


@dataclass(frozen=True, kw_only=True)
class UntargetedShape(ABC):
    """What is optimised for each class, how it changes images and what for.

    Args:
        schedule: Rounds, steps and Adam's numbers.
    """

    shrinks: ClassVar[bool]  # whether steps make its triggers smaller, once they flip

    schedule: SearchSchedule

    @abstractmethod
    def start(
        self, streams: Sequence[torch.Generator], image_size: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """First values, a row for each stream."""

    @abstractmethod
    def stamp(
        self, images: Float[Tensor, "p m 3 h w"], values: Sequence[Tensor], moment: Moment
    ) -> Float[Tensor, "p m 3 h w"]:
        """The images with the triggers, augmented."""

    @abstractmethod
    def flip_loss(
        self,
        probabilities: Float[Tensor, "p m k"],
        victims: Int[Tensor, " p"],
        moment: Moment,
    ) -> Float[Tensor, " p"]:
        """Low where images are not taken for their own class."""

    @abstractmethod
    def penalty(
        self,
        values: Sequence[Tensor],
        previous: Float[Tensor, "r p d"],
        moment: Moment,
    ) -> Float[Tensor, " p"]:
        """What size, form and likeness to the earlier rounds' triggers cost."""

    @abstractmethod
    def size_shares(self, values: Sequence[Tensor]) -> Float[Tensor, " p"]:
        """Share of the image that each trigger covers."""

    @abstractmethod
    def descriptor(self, values: Sequence[Tensor]) -> Float[Tensor, "p d"]:
        """What tells two triggers apart."""

    @abstractmethod
    def features(self, values: Sequence[Tensor]) -> Float[Tensor, "p f"]:
        """What a state looks like, beside its loss."""

    @abstractmethod
    def looks(self, features: Float[Tensor, "checkpoints f"]) -> Float[Tensor, " d"]:
        """What the classifier of classifiers sees of a whole search."""

    @abstractmethod
    def trigger(self, values: Sequence[Tensor], image_size: tuple[int, int]) -> Trigger:
        """The hardened trigger of one class' rows."""
