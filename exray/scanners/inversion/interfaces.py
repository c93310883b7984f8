"""What a scanner brings to the engine: candidates, what is optimised, and what for."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from exray.scanners.inversion.success import lead_of
from exray.triggers.base import Trigger


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trigger to look for.

    Args:
        victims: Classes whose images it flips; all others than the target for a universal one.
        target: Class they are flipped to.
        channel: Stimulated channel that pointed to it.
        restart: Number of the try, for its random stream.
    """

    victims: tuple[int, ...]
    target: int
    channel: int = 0
    restart: int = 0


@dataclass(frozen=True, kw_only=True)
class StampedSet:
    """Images with the candidates' triggers in them, and how large those are.

    Args:
        images: In [0, 1].
        size: What an objective may penalise, with gradients: the mask's sum.
        measure: What a bound is held against: changed pixels, or the SSIM with the clean images.
        counted: Pixels changed at all.
    """

    images: Float[Tensor, "p m 3 h w"]
    size: Float[Tensor, " p"]
    measure: Float[Tensor, " p"]
    counted: Float[Tensor, " p"]


class Parametrisation(ABC):
    """What is optimised, a row for each candidate, and how it changes images."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Tensor, ...]:
        """Tensors whose first axis is the candidates'."""

    @abstractmethod
    def prepared(self, images: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m c h w"]:
        """What ``stamp`` wants of some images: they, and what can be computed of them once."""

    @abstractmethod
    def stamp(self, prepared: Float[Tensor, "p m c h w"], rows: Sequence[Tensor]) -> StampedSet:
        """The images with the triggers of these rows of the parameters."""

    @abstractmethod
    def trigger(self, rows: Sequence[Tensor]) -> Trigger:
        """The hardened trigger of one candidate's rows."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One forward pass of some candidates, as an objective sees it."""

    rows: Int[Tensor, " p"]
    logits: Float[Tensor, "p m k"]
    targets: Int[Tensor, " p"]
    activation: Float[Tensor, " p"]
    stamped: StampedSet

    @property
    def lead(self) -> Float[Tensor, "p m"]:
        """The target's logit less the highest other one."""
        return lead_of(self.logits, self.targets)


class InversionObjective(ABC):
    """What a candidate is optimised for, and which of its states is the best."""

    @abstractmethod
    def loss(self, view: View) -> Float[Tensor, " p"]:
        """One loss a candidate; a candidate's must not depend on the others."""

    @abstractmethod
    def score(
        self, view: View, asr: Float[Tensor, " p"], probability: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """How good each state is; -inf where it does not meet the objective's own bar."""

    @abstractmethod
    def after_step(self, view: View, asr: Float[Tensor, " p"]) -> None:
        """Adapts weights that change from step to step."""
