"""K-Arm's bandit: which arm is played next, which is dropped and when the search ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.validation import require_count
from exray.seeding import generator
from exray.triggers.base import Trigger

Elimination = tuple[tuple[int, float], ...]
"""Pairs of plays and the best ASR an arm must have reached after them."""

_SPEED_WEIGHT = 1e4  # weight of 1 / size against the speed of shrinking, at 224 x 224


@dataclass(frozen=True, kw_only=True)
class ArmSettings:
    """How arms are played.

    Args:
        plays: Minimum number of steps of all arms together.
        plays_per_arm: Steps that each arm adds to the shared number, if that comes to more: with
            many classes a fixed number hardly warms all arms up.
        warm_up: Maximum number of steps that an arm gets first.
        warm_up_improvements: Number of smaller triggers that ends an arm's warm-up early.
        epsilon: Probability of playing a random arm.
        elimination: Pairs of plays and the best ASR an arm must have reached after them.
        backward_elimination: The same for the reverse direction in the symmetric check.
        stop_improvements: Number of smaller triggers beyond which the arm with the smallest of all
            ends the search; None plays until the plays or the arms end.

    Raises:
        ValueError: If the probability lies outside [0, 1] or a count is not positive.
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
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"epsilon must lie in [0, 1]; got {self.epsilon!r}")
        for name in ("plays", "plays_per_arm", "warm_up", "warm_up_improvements"):
            require_count(name, getattr(self, name))
        if self.stop_improvements is not None:
            require_count("stop_improvements", self.stop_improvements)

    def plays_of(self, num_arms: int) -> int:
        """Steps that so many arms share.

        Args:
            num_arms: Number of arms.
        """
        return max(self.plays, self.plays_per_arm * num_arms)


@runtime_checkable
class ArmInversion(Protocol):
    """The part of an ``Inversion`` that arms use."""

    candidates: tuple[Candidate, ...]
    last_asr: Float[Tensor, " candidates"]

    @property
    def steps(self) -> Int[Tensor, " candidates"]:
        """Number of steps per candidate."""

    @property
    def best_score(self) -> Float[Tensor, " candidates"]:
        """Minus the size of the smallest mask that met the ASR threshold; -inf without any."""

    def run(self, steps: int, *, alive: Sequence[int], images_per_step: int) -> None:
        """Optimises some candidates."""

    def trigger(self, place: int) -> Trigger:
        """The hardened best trigger of a candidate."""

    def failure_reason(self) -> str:
        """Why finding no trigger would mean nothing."""


class Arm:
    """One candidate of an inversion, with the results of its plays.

    Args:
        inversion: The inversion that it is part of.
        place: Index of the candidate.
        images_per_step: Images that it sees per play.
        bound: Bound on the trigger's size, in pixels.
    """

    def __init__(
        self, inversion: ArmInversion, place: int, *, images_per_step: int, bound: float
    ) -> None:
        self.inversion = inversion
        self.place = place
        self.images_per_step = images_per_step
        self.bound = bound
        self.best_asr = 0.0
        self.improvements = 0
        self.size = torch.inf  # of the smallest trigger that met the ASR threshold, in pixels

    @property
    def candidate(self) -> Candidate:
        """The candidate."""
        return self.inversion.candidates[self.place]

    @property
    def is_pair(self) -> bool:
        """Whether it has one victim; with two classes a universal arm is a pair as well."""
        return len(self.candidate.victims) == 1

    @property
    def plays(self) -> int:
        """Number of steps it has had."""
        return int(self.inversion.steps[self.place])

    def is_hopeless(self, elimination: Elimination) -> bool:
        """Whether its best ASR lies under a threshold that is due.

        Args:
            elimination: Pairs of plays and the best ASR that is due after them.
        """
        return any(self.plays >= due and self.best_asr < bar for due, bar in elimination)

    def record_play(self) -> None:
        """Records the result of the last play."""
        self.best_asr = max(self.best_asr, float(self.inversion.last_asr[self.place]))
        size = -float(self.inversion.best_score[self.place])
        self.improvements += size < self.size
        self.size = size


def play_together(arms: Sequence[Arm]) -> None:
    """One step of some arms, those of one inversion in one batch.

    Args:
        arms: The arms; those of one inversion see equally many images.
    """
    groups: dict[int, list[Arm]] = {}
    for arm in arms:
        groups.setdefault(id(arm.inversion), []).append(arm)
    for group in groups.values():
        places = [arm.place for arm in group]
        images = group[0].images_per_step
        group[0].inversion.run(1, alive=places, images_per_step=images)
    for arm in arms:
        arm.record_play()


class Bandit:
    """Distributes a budget of plays among arms, to the most promising ones.

    Args:
        arms: All arms.
        settings: How they are played.
        area: Of an image in pixels, by which sizes are scaled.
        seed: Of the random choices.

    Source: K-Arm (facts, section 5). *Differs from the released code:* a warm-up also ends after
    a number of plays, so that no arm that never meets the threshold uses up the budget; many arms
    have more plays; arms are warmed up together, which changes nothing, since none depends on
    another.
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
        limit = self._settings.stop_improvements
        best = min(self._arms, key=lambda arm: arm.size)
        return limit is not None and best.improvements > limit

    def _next(self) -> list[Arm]:
        """The arms to play: all cold ones, else a random one, else the most promising."""
        if cold := [arm for arm in self.live if self._is_cold(arm)]:
            return cold
        if float(torch.rand(1, generator=self._stream)) < self._settings.epsilon:
            return [self.live[int(torch.randint(len(self.live), (1,), generator=self._stream))]]
        return [max(self.live, key=self._promise)]

    def _is_cold(self, arm: Arm) -> bool:
        has_few = arm.improvements < self._settings.warm_up_improvements
        return has_few and arm.plays < self._settings.warm_up

    def _promise(self, arm: Arm) -> float:
        """Speed of shrinking from 2500 pixels, plus a reward for a small size; at 224 x 224."""
        size = min(arm.size / self._scale, float(224**2))
        speed = (2500 - size) / (arm.improvements + arm.plays / 2)
        return speed + _SPEED_WEIGHT / max(size, 1.0)
