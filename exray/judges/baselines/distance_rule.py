"""From a distance between stamped and target samples to natural or injected."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from exray.judges.base import Judgement


@dataclass(frozen=True, kw_only=True)
class DistanceRule:
    """A trigger is natural if stamped samples are close to the target's.

    The score is ``distance / (distance + threshold)``: it rises with the distance and is 0.5 at the
    threshold, so that another threshold can be chosen later from stored scores.

    Args:
        threshold: Distance from which a trigger counts as injected, above 0. The paper reports the
            best separation of the models at hand and gives no number.

    Raises:
        ValueError: If the threshold is no positive number.

    Example:
        >>> rule = DistanceRule(threshold=1.0)
        >>> rule.decide(3.0, "of all neurons").score, rule.decide(0.5, "of all").is_injected
        (0.75, False)

    Source: EX-RAY, section 4.1, baselines.
    """

    threshold: float

    def __post_init__(self) -> None:
        if isinstance(self.threshold, str) or not self.threshold > 0:
            raise ValueError(f"threshold must be above 0; got {self.threshold!r}")

    def decide(
        self, distance: float, what: str, measurements: Mapping[str, float] | None = None
    ) -> Judgement:
        """The verdict on one trigger.

        Args:
            distance: Between stamped and target samples.
            what: Over which neurons, in words, for the reason.
            measurements: Further measurements of the trigger.
        """
        assert math.isfinite(distance), distance
        assert distance >= 0, distance
        is_injected = distance >= self.threshold
        relation = "at least" if is_injected else "under"
        verdict = "injected" if is_injected else "natural"
        score = distance / (distance + self.threshold)
        return Judgement(
            is_injected=is_injected,
            score=score if is_injected else min(score, math.nextafter(0.5, 0)),
            reason=(
                f"{verdict}: the L2 distance {what} between stamped and target samples is "
                f"{distance:.3g}, {relation} {self.threshold:g}"
            ),
            measurements={**(measurements or {}), "distance": distance},
            thresholds={"distance": self.threshold},
        )
