"""The rules of the released code: four variants, none of them the paper's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from exray.rules.base import CROSS, ThresholdRule
from exray.rules.conditions import Condition, above, all_of, any_of, at_least, most_of

Variant = Literal["patch", "filter", "round2_hard", "round3_soft"]


@dataclass(frozen=True, kw_only=True)
class ReleasedRule(ThresholdRule):
    """The rules of the authors' code, with its numbers.

    With I1 and I2 the intersection as a share of M1 and of M2, A1 and A2 the accuracies of M2 on
    (V, T) and B1 and B2 those of M1 on (V, V+t), a trigger is natural

    - ``patch``: iff I1 > .8, or I1 > I2 and (B1 or B2 >= .8), or I2 > .8, or I2 > I1 and (A1 or
      A2 >= .8), or three of the four accuracies >= .8, or all four >= .4;
    - ``filter``: iff I1 > .9, or I1 > I2 and (B1 or B2 >= .99), or I2 > .88, or I2 > I1 and (A1
      or A2 >= .99), or three accuracies >= .9 and I2 > .85, or I1 and I2 > .6;
    - ``round3_soft``: iff I1 > .9, or I1 > I2 and B1 and B2 >= .95, or I2 > .9, or I2 > I1 and A1
      and A2 >= .99;
    - ``round2_hard``: the same over masks made 0 or 1 at 0.9.

    Args:
        variant: Which of the four.

    Source: the released code of EX-RAY and of ABS's TrojAI rounds 2 and 3 (facts, section 1.7).
    *Differs from the paper:* in the thresholds, in telling I1 from I2, and in asking fewer than
    all four accuracies.
    """

    variant: Variant

    @property
    def thresholds(self) -> dict[str, float]:
        """The thresholds that decide most cases, for the report's bars."""
        similarity = {"patch": 0.8, "filter": 0.88, "round2_hard": 0.9, "round3_soft": 0.9}
        cross = {"patch": 0.8, "filter": 0.99, "round2_hard": 0.95, "round3_soft": 0.95}
        return {"similarity": similarity[self.variant], "cross_accuracy": cross[self.variant]}

    def natural(self, measurements: Mapping[str, float]) -> Condition:
        """The variant's condition."""
        kind = "hard_similarity" if self.variant == "round2_hard" else "similarity"
        shares = measurements[f"{kind}_first"], measurements[f"{kind}_second"]
        crossed = [measurements[name] for name in CROSS]
        if self.variant == "patch":
            return _patch(shares, crossed)
        if self.variant == "filter":
            return _filter(shares, crossed)
        return _round(shares, crossed)

    def numbers(self, measurements: Mapping[str, float]) -> str:
        """Both similarities and all four accuracies."""
        kind = "hard_similarity" if self.variant == "round2_hard" else "similarity"
        crossed = ", ".join(f"{measurements[name]:.0%}" for name in CROSS)
        return (
            f"I1 {measurements[f'{kind}_first']:.0%}, I2 {measurements[f'{kind}_second']:.0%}, "
            f"cross accuracies {crossed} (the released {self.variant} rule)"
        )


def _patch(shares: tuple[float, float], crossed: list[float]) -> Condition:
    first, second = shares
    on_target, on_stamped = crossed[:2], crossed[2:]
    return any_of(
        above(first, 0.8),
        all_of(above(first, second), any_of(*(at_least(share, 0.8) for share in on_stamped))),
        above(second, 0.8),
        all_of(above(second, first), any_of(*(at_least(share, 0.8) for share in on_target))),
        most_of(3, *(at_least(share, 0.8) for share in crossed)),
        all_of(*(at_least(share, 0.4) for share in crossed)),
    )


def _filter(shares: tuple[float, float], crossed: list[float]) -> Condition:
    first, second = shares
    on_target, on_stamped = crossed[:2], crossed[2:]
    return any_of(
        above(first, 0.9),
        all_of(above(first, second), any_of(*(at_least(share, 0.99) for share in on_stamped))),
        above(second, 0.88),
        all_of(above(second, first), any_of(*(at_least(share, 0.99) for share in on_target))),
        all_of(most_of(3, *(at_least(share, 0.9) for share in crossed)), above(second, 0.85)),
        all_of(above(first, 0.6), above(second, 0.6)),
    )


def _round(shares: tuple[float, float], crossed: list[float]) -> Condition:
    first, second = shares
    on_target, on_stamped = crossed[:2], crossed[2:]
    return any_of(
        above(first, 0.9),
        all_of(above(first, second), *(at_least(share, 0.95) for share in on_stamped)),
        above(second, 0.9),
        all_of(above(second, first), *(at_least(share, 0.99) for share in on_target)),
    )
