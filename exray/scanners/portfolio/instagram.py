"""The five Instagram filters, which need no inversion: they are tried."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exray.scanners.base import SearchReport
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.strength import capped
from exray.scanners.inversion.universal import universal_candidate
from exray.scanners.portfolio.evidence import described
from exray.scanners.portfolio.scene import Scene, leads_of
from exray.scanners.portfolio.search import Findings, Search, greatest
from exray.scanners.validation import require_fraction
from exray.triggers.base import InvertedTrigger
from exray.triggers.instagram import InstagramFilter, InstagramTrigger


class _Tried(NamedTuple):
    """A filter with a pair, and how far it pushes the victim's images."""

    name: InstagramFilter
    victim: int
    target: int


@dataclass(frozen=True, kw_only=True)
class InstagramSearch(Search):
    """Tries the filters that TrojAI's rounds inject, for all targets and pairs.

    A filter that is part of no backdoor may flip images, too; so the margin is over what the other
    four do to the best of their targets.

    Args:
        name: Recorded as the triggers' source.
        min_asr: ASR on held-out images from which a filter counts.

    Raises:
        ValueError: If the ASR is no fraction.

    Source: TrojAI's rounds 2 to 4 (facts, section 7.5).
    """

    min_asr: float

    def __post_init__(self) -> None:
        require_fraction("min_asr", self.min_asr)

    @property
    def num_steps(self) -> int:
        """One a filter."""
        return len(InstagramFilter)

    def run(self, scene: Scene) -> Findings:
        """The best filter for a target and the best for a pair, if they reach the least ASR.

        Args:
            scene: The classifier and its images.
        """
        begun = time.perf_counter()
        strengths = self._strengths(scene)
        pairs = {one: value for one, value in strengths.items() if one.victim != one.target}
        universal: dict[_Tried, float] = {}
        for name in InstagramFilter:
            for target in scene.present:
                values = [pairs[_Tried(name, v, target)] for v in scene.present if v != target]
                universal[_Tried(name, -1, target)] = sum(values) / len(values)
        triggers = [self._best(scene, pairs)]
        if len(scene.present) > 2:
            triggers.append(self._best(scene, universal))
        found = tuple(trigger for trigger in triggers if trigger.asr >= self.min_asr)
        report = SearchReport(
            name=self.name,
            num_candidates=len(pairs) + len(universal),
            num_found=len(found),
            best_strength=greatest(trigger.measurements["strength"] for trigger in triggers),
            image_passes=0,
            seconds=time.perf_counter() - begun,
        )
        return Findings(triggers=found, report=report)

    def _strengths(self, scene: Scene) -> dict[_Tried, float]:
        """Mean capped lead of each class on each class's filtered images to search on."""
        strengths = {}
        for name in InstagramFilter:
            trigger = InstagramTrigger(filter_name=name, image_size=scene.image_size)
            logits = scene.classifier.predict(trigger.apply(scene.search.images))
            for target in scene.present:
                leads = capped(leads_of(logits, target))
                for victim in scene.present:
                    strength = float(leads[scene.search.labels == victim].mean())
                    strengths[_Tried(name, victim, target)] = strength
            scene.on_step()
        return strengths

    def _best(self, scene: Scene, strengths: Mapping[_Tried, float]) -> InvertedTrigger:
        """The strongest filter, on held-out images."""
        best = max(strengths, key=lambda one: strengths[one])
        rivals = [value for one, value in strengths.items() if one.name != best.name]
        is_universal = best.victim < 0
        candidate = (
            universal_candidate(best.target, scene.present)
            if is_universal
            else Candidate(victims=(best.victim,), target=best.target)
        )
        measured = {
            "strength_wide": strengths[best],
            "margin_wide": strengths[best] - max(rivals),
            "is_universal": float(is_universal),
            f"is_{self.name}": 1.0,
        }
        if not is_universal:
            reverse = strengths[_Tried(best.name, best.target, best.victim)]
            measured["reverse_strength"] = reverse
            measured["asymmetry"] = strengths[best] - reverse
        trigger = InstagramTrigger(filter_name=best.name, image_size=scene.image_size)
        return described(trigger, scene, candidate, source=self.name, measurements=measured)
