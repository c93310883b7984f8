"""The interfaces of an inversion: candidates, parametrisations and objectives."""

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
        victims: Classes whose images it flips; all classes but the target for a universal trigger.
        target: Class that they are flipped to.
        channel: Stimulated channel that pointed to it.
        restart: Number of the start, for its random stream.
    """

    victims: tuple[int, ...]
    target: int
    channel: int = 0
    restart: int = 0


@dataclass(frozen=True, kw_only=True)
class StampedSet:
    """Images with the candidates' triggers in them, and the triggers' sizes.

    Args:
        images: In [0, 1].
        size: Size that an objective may penalise, with gradients: the mask's sum.
        measure: Size that is compared with a bound: changed pixels, or the SSIM with clean images.
        counted: Number of pixels changed at all.
    """

    images: Float[Tensor, "p m 3 h w"]
    size: Float[Tensor, " p"]
    measure: Float[Tensor, " p"]
    counted: Float[Tensor, " p"]


class Parametrisation(ABC):
    """The optimised parameters, one row per candidate, and how they change images."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Tensor, ...]:
        """Tensors whose first axis is the candidates."""

    @abstractmethod
    def prepared(self, images: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m c h w"]:
        """Images as ``stamp`` takes them, with whatever can be computed of them once."""

    @abstractmethod
    def stamp(self, prepared: Float[Tensor, "p m c h w"], rows: Sequence[Tensor]) -> StampedSet:
        """Stamps the triggers of some rows of the parameters on prepared images."""

    @abstractmethod
    def trigger(self, rows: Sequence[Tensor]) -> Trigger:
        """The hardened trigger of one candidate's rows."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One forward pass of some candidates, the input of an objective."""

    rows: Int[Tensor, " p"]
    logits: Float[Tensor, "p m k"]
    targets: Int[Tensor, " p"]
    activation: Float[Tensor, " p"]
    stamped: StampedSet

    @property
    def lead(self) -> Float[Tensor, "p m"]:
        """The target's logit minus the highest other one."""
        return lead_of(self.logits, self.targets)


class InversionObjective(ABC):
    """The loss of a candidate, and the score by which its best state is chosen."""

    @abstractmethod
    def loss(self, view: View) -> Float[Tensor, " p"]:
        """One loss per candidate, which must not depend on the other candidates."""

    @abstractmethod
    def score(
        self, view: View, asr: Float[Tensor, " p"], probability: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """Score per candidate; -inf where the state violates the objective's own constraint."""

    @abstractmethod
    def after_step(self, view: View, asr: Float[Tensor, " p"]) -> None:
        """Adapts weights that change from step to step."""
