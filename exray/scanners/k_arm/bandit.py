"""K-Arm's bandit: which arm is played next, which is dropped and when it is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from exray.scanners.inversion.loop import Inversion
from exray.scanners.validation import require_count
from exray.seeding import generator

Elimination = tuple[tuple[int, float], ...]
"""Pairs of plays and the best ASR an arm must have reached after them."""

_SPEED_WEIGHT = 1e4  # of one over the size, against the speed of shrinking, at 224 x 224


@dataclass(frozen=True, kw_only=True)
class ArmSettings:
    """How arms are played.

    Args:
        plays: Steps of all arms together, at least.
        plays_per_arm: Steps that each arm adds to what they share, if that comes to more: with many
            classes a fixed number hardly warms all arms up.
        warm_up: Steps that an arm gets first, at most.
        warm_up_improvements: Smaller triggers that end an arm's warm-up before.
        epsilon: Chance of playing a random arm.
        elimination: Pairs of plays and the best ASR an arm must have reached after them.
        backward_elimination: The same of the way back in the symmetric check.
        stop_improvements: Smaller triggers beyond which the arm with the smallest of all ends the
            game; None plays until the plays or the arms end.

    Raises:
        ValueError: If the chance lies outside [0, 1] or a count is not positive.
    """

    plays: int
    plays_per_arm: int
    warm_up: int
    warm_up_improvements: int
    epsilon: float
    elimination: Elimination
    backward_elimination: Elimination
    stop_improvements: int | None

    def __post_init__(self) -> None:
        if isinstance(self.epsilon, str) or not 0 <= self.epsilon <= 1:
            raise ValueError(f"epsilon must lie in [0, 1]; got {self.epsilon!r}")
        counts = ["plays", "plays_per_arm", "warm_up", "warm_up_improvements"]
        counts += [] if self.stop_improvements is None else ["stop_improvements"]
        for name in counts:
            require_count(f"{name}", getattr(self, name))

    def plays_of(self, num_arms: int) -> int:
        """Steps that so many arms share."""
        return max(self.plays, self.plays_per_arm * num_arms)


class Arm:
    """One candidate of an inversion, with what its plays brought.

    Args:
        inversion: What it is a candidate of.
        place: Of the candidate.
        images_per_step: Images it sees in a play.
    """

    def __init__(self, inversion: Inversion, place: int, *, images_per_step: int) -> None:
        self.inversion = inversion
        self.place = place
        self.images_per_step = images_per_step
        self.best_asr = 0.0
        self.improvements = 0
        self.size = torch.inf  # of the smallest trigger that reached the ASR bar, in pixels

    @property
    def plays(self) -> int:
        """Steps it has had."""
        return int(self.inversion.steps[self.place])

    def is_hopeless(self, elimination: Elimination) -> bool:
        """Whether its best ASR lies under a bar that is due."""
        return any(self.plays >= due and self.best_asr < bar for due, bar in elimination)

    def note(self) -> None:
        """Takes down what the last play brought."""
        self.best_asr = max(self.best_asr, float(self.inversion.last_asr[self.place]))
        size = -float(self.inversion.best_score[self.place])
        self.improvements += size < self.size
        self.size = size


def play_together(arms: Sequence[Arm]) -> None:
    """One step of some arms, those of one inversion in one batch.

    Args:
        arms: Which; those of one inversion see as many images each.
    """
    groups: dict[Inversion, list[Arm]] = {}
    for arm in arms:
        groups.setdefault(arm.inversion, []).append(arm)
    for inversion, group in groups.items():
        places = [arm.place for arm in group]
        inversion.run(1, alive=places, images_per_step=group[0].images_per_step)
    for arm in arms:
        arm.note()


class Bandit:
    """Shares a budget of plays out among arms, to those that promise most.

    Args:
        arms: All arms.
        settings: How they are played.
        area: Of the images in pixels, by which sizes are scaled.
        seed: Of the random choices.

    Source: K-Arm (facts, section 5). *Differs from the released code:* a warm-up ends after so many
    plays too, so that no arm that never reaches the bar uses up the budget; many arms have more
    plays; arms are warmed up together, which changes nothing, since none depends on another.
    """

    def __init__(
        self, arms: Sequence[Arm], settings: ArmSettings, *, area: float, seed: int
    ) -> None:
        self.live = list(arms)
        self._arms = tuple(arms)
        self._settings = settings
        self._scale = area / 224**2
        self._stream = generator(seed, "arms")

    def run(self, on_play: Callable[[], None]) -> None:
        """Plays until the budget or the arms end, or the best arm has shrunk often enough.

        Args:
            on_play: Called after each play.
        """
        left = self._settings.plays_of(len(self._arms))
        while left > 0 and self.live and not self._is_over():
            chosen = self._next()[:left]
            play_together(chosen)
            self.live = [
                arm for arm in self.live if not arm.is_hopeless(self._settings.elimination)
            ]
            left -= len(chosen)
            for _ in chosen:
                on_play()

    def _is_over(self) -> bool:
        """Whether the arm with the smallest trigger has shrunk it often enough."""
        bar = self._settings.stop_improvements
        best = min(self._arms, key=lambda arm: arm.size)
        return bar is not None and best.improvements > bar

    def _next(self) -> list[Arm]:
        """The arms to play: all that are cold, else a random one, else the most promising."""
        if cold := [arm for arm in self.live if self._is_cold(arm)]:
            return cold
        if float(torch.rand(1, generator=self._stream)) < self._settings.epsilon:
            return [self.live[int(torch.randint(len(self.live), (1,), generator=self._stream))]]
        return [max(self.live, key=self._promise)]

    def _is_cold(self, arm: Arm) -> bool:
        few = arm.improvements < self._settings.warm_up_improvements
        return few and arm.plays < self._settings.warm_up

    def _promise(self, arm: Arm) -> float:
        """Speed of shrinking from 2500 pixels, plus what a small size is worth; at 224 x 224."""
        size = min(arm.size / self._scale, float(224**2))
        speed = (2500 - size) / (arm.improvements + arm.plays / 2)
        return speed + _SPEED_WEIGHT / max(size, 1.0)
