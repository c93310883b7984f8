"""K-Arm's own check for natural triggers: the reverse direction must take a far larger trigger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exray.scanners.k_arm.bandit import Arm, Elimination, play_together
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class ScoredTrigger:
    """A trigger that met the ASR threshold, with its arm.

    Args:
        arm: The arm that found it.
        trigger: The trigger.
    """

    arm: Arm
    trigger: InvertedTrigger

    @property
    def margin(self) -> float:
        """Size bound over size: 1 or more within the bound."""
        return self.arm.bound / max(self.arm.size, 1.0)


@dataclass(frozen=True, kw_only=True)
class SymmetricCheck:
    """Keeps triggers whose reverse direction, from target to victim, is far harder.

    Args:
        min_ratio: Least ratio of the size in the reverse direction over the size.
        elimination: Pairs of plays and the best ASR that the reverse direction must have reached.

    Source: K-Arm (facts, section 5). *Differs from the released code:* the reverse direction ends
    as soon as its trigger is small enough.
    """

    min_ratio: float
    elimination: Elimination

    def passing(
        self,
        triggers: Sequence[ScoredTrigger],
        start_pairs: Callable[[Sequence[tuple[int, int]]], Sequence[Arm]],
    ) -> list[ScoredTrigger]:
        """Universal triggers, and those of pairs whose reverse takes a far larger trigger or fails.

        Args:
            triggers: Triggers within their bounds.
            start_pairs: Starts an arm per (victim, target) pair, for the reverse direction.
        """
        arms = [scored.arm for scored in triggers if scored.arm.is_pair]
        if not arms:
            return list(triggers)
        pairs = [(arm.candidate.target, arm.candidate.victims[0]) for arm in arms]
        reverses = dict(zip(arms, start_pairs(pairs), strict=True))
        while open_arms := [rev for arm, rev in reverses.items() if self._is_open(arm, rev)]:
            play_together(open_arms)
        return [
            scored
            for scored in triggers
            if scored.arm not in reverses or self._is_larger(scored.arm, reverses[scored.arm])
        ]

    def _is_open(self, arm: Arm, reverse: Arm) -> bool:
        """Whether more plays of the reverse direction can change the answer."""
        is_hopeless = reverse.is_hopeless(self.elimination)
        return reverse.plays < arm.plays and not is_hopeless and self._is_larger(arm, reverse)

    def _is_larger(self, arm: Arm, reverse: Arm) -> bool:
        return reverse.size > self.min_ratio * max(arm.size, 1.0)
