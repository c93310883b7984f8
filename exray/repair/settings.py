"""The settings of a repair."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class RepairSettings:
    """What a repair itself decides, apart from method, scanner and judge.

    Args:
        triggers: ``injected`` unlearns the triggers that the judge calls injected; ``suspect`` the
            one of the highest score where it calls none so, for models that are known to be
            trojaned; ``all`` those that it calls natural too, which costs accuracy.
        rounds: Of repair and scan at most.
        max_accuracy_drop: Of the accuracy on held-out images, a fraction; more is refused.
        held_out_share: Of each class's images, in (0, 1), on which accuracy is measured and scans
            are made.
        min_images_per_class: That every class must have, at least 2.

    Raises:
        ValueError: If a value is out of its range.
    """

    triggers: Literal["injected", "suspect", "all"]
    rounds: int
    max_accuracy_drop: float
    held_out_share: float
    min_images_per_class: int

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"rounds must be >= 1; got {self.rounds}")
        if not 0 <= self.max_accuracy_drop <= 1:
            drop = self.max_accuracy_drop
            raise ValueError(f"max_accuracy_drop must be a fraction in [0, 1]; got {drop}")
        if not 0 < self.held_out_share < 1:
            raise ValueError(f"held_out_share must lie in (0, 1); got {self.held_out_share}")
        if self.min_images_per_class < 2:
            count = self.min_images_per_class
            raise ValueError(f"min_images_per_class must be >= 2; got {count}")
