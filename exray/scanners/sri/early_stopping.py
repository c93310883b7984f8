"""Early stopping of SRI's searches: which are decided, which are not worth going on with."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from exray.scanners.validation import require_count, require_fraction


@dataclass(frozen=True, kw_only=True)
class Hurdle:
    """What a class must have reached within a round for its search to go on.

    Args:
        step: Number of steps after which the class is checked.
        flip_loss: The lowest flip loss so far must be below this; otherwise the class pauses until
            the next round.
        size: The trigger must be no larger than this share of the image, or be the smallest of
            those that flip; otherwise the class is not searched again, since a trigger that stays
            large never gets a high anomaly score.

    Raises:
        ValueError: If a number is out of its range.
    """

    step: int
    flip_loss: float
    size: float

    def __post_init__(self) -> None:
        require_count("step", self.step)
        require_fraction("flip_loss", self.flip_loss)
        require_fraction("size", self.size)

    def passed(
        self, flip_losses: Float[Tensor, " p"], sizes: Float[Tensor, " p"]
    ) -> tuple[Bool[Tensor, " p"], Bool[Tensor, " p"]]:
        """Which classes flip, and which are small enough.

        Args:
            flip_losses: The lowest of the round.
            sizes: Shares of the image.

        Example:
            >>> hurdle = Hurdle(step=20, flip_loss=0.5, size=0.2)
            >>> import torch
            >>> losses = torch.tensor([0.9, 0.1, 0.1])
            >>> flips, small = hurdle.passed(losses, torch.tensor([0.1, 0.3, 0.4]))
            >>> flips.tolist(), small.tolist()
            ([False, True, True], [True, True, False])
        """
        flips = flip_losses < self.flip_loss
        smallest = float(sizes[flips].min()) if flips.any() else 0.0
        return flips, sizes <= max(self.size, smallest)


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """When searches are cut short.

    Args:
        rounds: Maximum number of rounds per shape.
        sufficient_probability: Mean probability of one target from which a class is decided. Of a
            hardened trigger on all of the victim's images: the class is not searched in later
            rounds. On the images of a step: the class is done for this round if its kind of
            trigger has no size to shrink.
        hurdles: What a class must have reached, at certain steps.

    Raises:
        ValueError: If a number is out of its range, or two hurdles share a step.
    """

    rounds: int
    sufficient_probability: float
    hurdles: Sequence[Hurdle]

    def __post_init__(self) -> None:
        require_count("rounds", self.rounds)
        require_fraction("sufficient_probability", self.sufficient_probability)
        steps = [hurdle.step for hurdle in self.hurdles]
        if len(set(steps)) < len(steps):
            raise ValueError(f"hurdles must be at different steps; got {steps}")

    def hurdle_at(self, step: int) -> Hurdle | None:
        """The hurdle after so many steps; None where there is none.

        Example:
            >>> hurdle = Hurdle(step=20, flip_loss=0.5, size=0.2)
            >>> stopping = EarlyStopping(rounds=2, sufficient_probability=0.9, hurdles=[hurdle])
            >>> stopping.hurdle_at(20) == hurdle, stopping.hurdle_at(21)
            (True, None)
        """
        return next((hurdle for hurdle in self.hurdles if hurdle.step == step), None)
