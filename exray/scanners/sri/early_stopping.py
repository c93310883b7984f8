"""Which of SRI's searches are cut short, because they are settled or hopeless."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from exray.scanners.validation import require_count, require_fraction


@dataclass(frozen=True, kw_only=True)
class Hurdle:
    """What a class must have come to within a round for its search to go on.

    Args:
        step: Steps after which it is looked at.
        flip_loss: Its flip loss once was below this; if not, it rests until the next round.
        size: Its trigger is no larger than this share of the image, or the smallest of those that
            flip; if not, it rests for good, since what stays large never becomes odd.

    Raises:
        ValueError: If a number is out of its range.
    """

    step: int
    flip_loss: float
    size: float

    def __post_init__(self) -> None:
        require_count("economy.hurdles.step", self.step)
        require_fraction("economy.hurdles.flip_loss", self.flip_loss)
        require_fraction("economy.hurdles.size", self.size)

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
            >>> [each.tolist() for each in hurdle.passed(losses, torch.tensor([0.1, 0.3, 0.4]))]
            [[False, True, True], [True, True, False]]
        """
        flips = flip_losses < self.flip_loss
        least = float(sizes[flips].min()) if flips.any() else 0.0
        return flips, sizes <= max(self.size, least)


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Which searches are cut short.

    Args:
        rounds: Rounds of each shape at most.
        enough: Mean probability of one target from which a class is settled: of a hardened trigger
            on all of the victim's images, it is searched in no later round; on the images of a
            step, it is done for this round if its trigger has no size to shrink.
        hurdles: What a class must have come to, at certain steps.

    Raises:
        ValueError: If a number is out of its range, or two hurdles share a step.
    """

    rounds: int
    enough: float
    hurdles: Sequence[Hurdle]

    def __post_init__(self) -> None:
        require_count("economy.rounds", self.rounds)
        require_fraction("economy.enough", self.enough)
        steps = [each.step for each in self.hurdles]
        if len(set(steps)) < len(steps):
            raise ValueError(
                f"scanner.engine.economy.hurdles must be at steps of their own; got {steps}"
            )

    def at_most(self, rounds: int) -> int:
        """How many of a shape's rounds are searched."""
        return min(rounds, self.rounds)

    def at(self, step: int) -> Hurdle | None:
        """The hurdle after so many steps; None where there is none.

        Example:
            >>> hurdle = Hurdle(step=20, flip_loss=0.5, size=0.2)
            >>> economy = EarlyStopping(rounds=2, enough=0.9, hurdles=[hurdle])
            >>> economy.at(20) == hurdle, economy.at(21)
            (True, None)
        """
        return next((each for each in self.hurdles if each.step == step), None)
