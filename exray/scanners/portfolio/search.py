"""A search for triggers of one kind: one screen of universal ones, then the best that it shows."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from exray.scanners.base import SearchReport
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.universal import universal_candidate
from exray.scanners.portfolio.evidence import described
from exray.scanners.portfolio.kinds.base import TriggerKind
from exray.scanners.portfolio.scene import Scene
from exray.scanners.portfolio.stages import Reached, Stage, StagedInversion
from exray.scanners.validation import require_count, require_fraction
from exray.triggers.base import InvertedTrigger

History = dict[int, list[Reached]]
"""What each candidate reached at the end of each of its stages, by its place."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a search found.

    Args:
        triggers: Triggers that count, strongest first.
        report: What was tried.
    """

    triggers: tuple[InvertedTrigger, ...]
    report: SearchReport


@dataclass(frozen=True, kw_only=True)
class Search(ABC):
    """Looks for triggers of one kind in a scene.

    Args:
        name: Recorded as the triggers' source; a portfolio gives each search its own.
    """

    name: str = ""

    @property
    @abstractmethod
    def num_steps(self) -> int:
        """Steps in all, as far as they are known beforehand."""

    def named(self, name: str) -> "Search":
        """The same search under a name.

        Args:
            name: The name.
        """
        return replace(self, name=name)

    @abstractmethod
    def run(self, scene: Scene) -> Findings:
        """The triggers found, and what was tried.

        Args:
            scene: The classifier and its images.
        """


@dataclass(frozen=True, kw_only=True)
class KindSearch(Search):
    """Looks for universal and label-specific triggers of one kind.

    All classes are screened as the target of one universal trigger each. The screen costs little
    and tells two things: which targets give way, and, since even a weak universal trigger moves the
    victims of a label-specific one furthest, which pairs do. Both go on; each pair with its
    reverse, from target to victim, as a measure of how alike the two classes are. Of two classes
    every universal trigger is a pair's, and counts as such where pairs are looked for.

    Args:
        name: Recorded as the triggers' source.
        kind: What is optimised.
        inversion: Adam's settings; without noise.
        screen: The stage of all targets.
        universal: Stages of the best targets, continued from the screen.
        pairs: Stages of the best pairs, started anew; none for no pairs.
        num_pairs: Pairs that are inverted.
        min_asr: ASR on held-out images from which a trigger counts.
        good_asr: ASR from which the trigger of a smaller bound is taken.
        most: Triggers of either reach that are given at most.
        first_bound: Bound from which each inversion starts.

    Raises:
        ValueError: If a setting is out of range.

    Source: none; bounded strength (facts), a prototype on released networks.
    """

    kind: TriggerKind
    inversion: InversionSettings
    screen: Stage
    universal: Sequence[Stage]
    pairs: Sequence[Stage]
    num_pairs: int
    min_asr: float
    good_asr: float
    most: int
    first_bound: float = 1.0

    def __post_init__(self) -> None:
        require_fraction("min_asr", self.min_asr)
        require_fraction("good_asr", self.good_asr)
        require_fraction("first_bound", self.first_bound)
        require_count("num_pairs", self.num_pairs)
        require_count("most", self.most)
        if self.inversion.noise != 0:
            raise ValueError(f"inversion.noise must be 0; got {self.inversion.noise}")
        self.kind.check_bounds([stage.bound for stage in self._stages])

    @property
    def _stages(self) -> tuple[Stage, ...]:
        return (self.screen, *self.universal, *self.pairs)

    @property
    def num_steps(self) -> int:
        """Steps in all."""
        return sum(stage.steps for stage in self._stages)

    def run(self, scene: Scene) -> Findings:
        """The triggers that reach the least ASR, strongest first, and what was tried.

        Args:
            scene: The classifier and its images.
        """
        begun = time.perf_counter()
        targets = [universal_candidate(target, scene.present) for target in scene.present]
        inversions = [self._started(scene, targets)]
        screened = inversions[0].run(self.screen, range(len(targets)))
        triggers: list[InvertedTrigger] = []
        if len(scene.present) > 2 or not self.pairs:
            triggers += self._universal(scene, inversions[0], screened)
        pairs = self._likely_pairs(scene, targets, screened) if self.pairs else []
        if pairs:
            inversions.append(self._started(scene, pairs))
            triggers += self._label_specific(scene, inversions[1])
        strengths = [one.measurements["strength"] for one in triggers]
        report = report_of(
            self.name,
            inversions,
            begun=begun,
            num_found=len(triggers),
            strengths=strengths or [one.strength for one in screened.values()],
        )
        return Findings(triggers=tuple(triggers), report=report)

    def _started(self, scene: Scene, candidates: Sequence[Candidate]) -> StagedInversion:
        return StagedInversion(
            scene,
            self.kind,
            candidates,
            optimizer=self.inversion,
            first_bound=self.first_bound,
        )

    def _universal(
        self, scene: Scene, targets: StagedInversion, screened: Mapping[int, Reached]
    ) -> list[InvertedTrigger]:
        """The best targets' triggers after all stages."""
        history: History = {place: [reached] for place, reached in screened.items()}
        alive = list(screened)[: self.screen.keep]
        for stage in self.universal:
            results = targets.run(stage, alive)
            for place in alive:
                history[place].append(results[place])
            alive = list(results)[: stage.keep]
        usual = median(reached.strength for reached in screened.values())
        found = []
        for place, reached in self._chosen(history):
            candidate = targets.candidates[place]
            measured = by_stage(history, place, rivals=[p for p in history if p != place])
            found.append(
                self._trigger(
                    scene,
                    candidate,
                    reached,
                    {**measured, "strength_median": usual, "is_universal": 1.0},
                )
            )
        return found

    def _likely_pairs(
        self, scene: Scene, targets: Sequence[Candidate], screened: Mapping[int, Reached]
    ) -> list[Candidate]:
        """Pairs whose victims a universal trigger moves furthest, each with its reverse."""
        leads = {
            (victim, targets[place].target): strength
            for place, reached in screened.items()
            for victim, strength in scene.quick_strengths(reached.trigger, targets[place]).items()
        }
        best = sorted(leads, key=lambda pair: -leads[pair])[: self.num_pairs]
        reverses = [(target, victim) for victim, target in best if (target, victim) not in best]
        return [Candidate(victims=(victim,), target=target) for victim, target in best + reverses]

    def _label_specific(self, scene: Scene, pairs: StagedInversion) -> list[InvertedTrigger]:
        """The pairs' triggers after all stages, with the strength of the reverse direction."""
        history: History = {place: [] for place in range(len(pairs.candidates))}
        alive = list(history)
        for stage in self.pairs:
            results = pairs.run(stage, alive)
            for place in alive:
                history[place].append(results[place])
            best = list(results)[: stage.keep]
            alive = sorted({*best, *(_reverse(pairs.candidates, place) for place in best)})
        found = []
        for place, reached in self._chosen(history):
            candidate = pairs.candidates[place]
            rivals = [
                p for p, other in enumerate(pairs.candidates) if other.target != candidate.target
            ]
            reverse = history[_reverse(pairs.candidates, place)][0].strength
            measured = {
                **by_stage(history, place, rivals=rivals),
                "reverse_strength": reverse,
                "asymmetry": history[place][0].strength - reverse,
                "is_universal": 0.0,
            }
            found.append(self._trigger(scene, candidate, reached, measured))
        return found

    def _chosen(self, history: History) -> list[tuple[int, Reached]]:
        """The triggers that count: those of the last stage first, the strongest there first.

        At a wide bound natural triggers are as strong as injected ones; at a narrow one they fade.
        """
        chosen = []
        for place, stages in history.items():
            reached = best_stage(stages, min_asr=self.min_asr, good_asr=self.good_asr)
            if reached is not None:
                chosen.append((place, reached))
        chosen.sort(key=lambda one: (-len(history[one[0]]), -history[one[0]][-1].strength))
        return chosen[: self.most]

    def _trigger(
        self,
        scene: Scene,
        candidate: Candidate,
        reached: Reached,
        measured: Mapping[str, float],
    ) -> InvertedTrigger:
        return described(
            reached.trigger,
            scene,
            candidate,
            source=self.name,
            measurements={**measured, f"is_{self.name}": 1.0},
        )


def best_stage(stages: Sequence[Reached], *, min_asr: float, good_asr: float) -> Reached | None:
    """What a candidate reached within the smallest bound at which it is good, else its strongest.

    Args:
        stages: What it reached, stage by stage.
        min_asr: ASR from which it counts at all; without one that does there is none.
        good_asr: ASR from which it is good.
    """
    good = [reached for reached in stages if reached.asr >= good_asr]
    fair = [reached for reached in stages if reached.asr >= min_asr]
    if not fair:
        return None
    return good[-1] if good else max(fair, key=lambda reached: reached.strength)


def report_of(
    name: str,
    inversions: Sequence[StagedInversion],
    *,
    begun: float,
    num_found: int,
    strengths: Iterable[float],
) -> SearchReport:
    """What a search tried.

    Args:
        name: The search's.
        inversions: All that it ran.
        begun: When it began, by ``time.perf_counter``.
        num_found: Triggers that count.
        strengths: Of which the greatest is told.
    """
    failures = [one.inversion.failure_reason() for one in inversions]
    return SearchReport(
        name=name,
        num_candidates=sum(len(one.candidates) for one in inversions),
        num_found=num_found,
        best_strength=greatest(strengths),
        image_passes=sum(one.inversion.image_passes for one in inversions),
        seconds=time.perf_counter() - begun,
        inconclusive=next((reason for reason in failures if reason), ""),
    )


def greatest(strengths: Iterable[float]) -> float | None:
    """The greatest finite number, None if there is none.

    Args:
        strengths: Any numbers.

    Example:
        >>> greatest([1.0, float("nan"), 2.0]), greatest([float("nan")])
        (2.0, None)
    """
    return max((one for one in strengths if math.isfinite(one)), default=None)


def _reverse(candidates: Sequence[Candidate], place: int) -> int:
    """Place of the pair from a pair's target to its victim."""
    wanted = (candidates[place].target,), candidates[place].victims[0]
    return next(p for p, one in enumerate(candidates) if (one.victims, one.target) == wanted)


def by_stage(history: History, place: int, *, rivals: Sequence[int]) -> dict[str, float]:
    """Strength at the end of each stage, and its margin over the best rival there.

    Args:
        history: What all candidates reached.
        place: Which candidate.
        rivals: Places of the candidates that it is compared with.
    """
    measured = {}
    for order, reached in enumerate(history[place]):
        others = [history[rival][order].strength for rival in rivals if len(history[rival]) > order]
        measured[f"strength_{reached.stage}"] = reached.strength
        if others:
            measured[f"margin_{reached.stage}"] = reached.strength - max(others)
    return measured
