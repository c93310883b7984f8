"""The interface of a kind of trigger."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from exray.scanners.inversion.interfaces import Candidate, Parametrisation
from exray.scanners.inversion.strength import Strength
from exray.scanners.portfolio.scene import Scene


class TriggerKind(ABC):
    """A parametrisation with its bound, and the objective that goes with it."""

    @abstractmethod
    def started(
        self, count: int, *, image_size: tuple[int, int], seed: int, device: torch.device
    ) -> Parametrisation:
        """Parameters of some candidates, the same for each.

        Args:
            count: Number of candidates.
            image_size: Height and width in pixels.
            seed: Of whatever is drawn.
            device: Device of the parameters.
        """

    def objective(self) -> Strength:
        """What is maximised."""
        return Strength()

    def seed_starts(
        self, shape: Parametrisation, scene: Scene, candidates: Sequence[Candidate]
    ) -> None:
        """Puts what was tried beforehand into the parameters; nothing for most kinds.

        Args:
            shape: What ``started`` gave.
            scene: The classifier and its images.
            candidates: The candidates, in the order of the parameters' rows.
        """
        del shape, scene, candidates

    def tighten(
        self,
        shape: Parametrisation,
        objective: Strength,
        *,
        bounds: tuple[float, float],
        progress: float,
    ) -> None:
        """Moves the bound from one value to the next; nothing for a kind with a fixed bound.

        Args:
            shape: What ``started`` gave.
            objective: What ``objective`` gave.
            bounds: From which bound to which.
            progress: How much of the way is done, a fraction.
        """
        del shape, objective, bounds, progress

    def check_bounds(self, bounds: Sequence[float]) -> None:
        """Refuses bounds that are none of this kind, all but 1 for a kind with a fixed bound.

        Args:
            bounds: Of all stages.

        Raises:
            ValueError: If one is out of range.
        """
        if set(bounds) - {1.0}:
            raise ValueError(f"bound must be 1 for a kind with a fixed bound; got {bounds}")
