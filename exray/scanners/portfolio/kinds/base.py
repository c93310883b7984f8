"""The interface of a kind of trigger."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from exray.scanners.inversion.interfaces import Candidate, Parametrisation
from exray.scanners.inversion.loop import Inversion
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

    def num_starts(self, scene: Scene, *, most: int) -> int:
        """How many starts there are for a trigger on all classes; one for most kinds.

        Args:
            scene: The classifier and its images.
            most: How many are wanted.
        """
        del scene, most
        return 1

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

    def enter(
        self, inversion: Inversion, objective: Strength, *, alive: Sequence[int], bound: float
    ) -> None:
        """Makes candidates ready for a stage; nothing for a kind whose bound moves step by step.

        Args:
            inversion: What has run so far.
            objective: What ``objective`` gave.
            alive: Places of the candidates that go on.
            bound: Of the stage.
        """
        del inversion, objective, alive, bound

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
