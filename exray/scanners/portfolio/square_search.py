"""A search for square patches, universal and label-specific, from blocks that were tried."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.universal import universal_candidate
from exray.scanners.portfolio.evidence import described
from exray.scanners.portfolio.kinds.square import SquareKind
from exray.scanners.portfolio.scene import Scene
from exray.scanners.portfolio.search import (
    Findings,
    History,
    Search,
    best_stage,
    by_stage,
    report_of,
)
from exray.scanners.portfolio.stages import Stage, StagedInversion
from exray.scanners.validation import require_count, require_fraction
from exray.triggers.base import InvertedTrigger

_UNIVERSAL = 0.75  # share of the other classes from which a pair's trigger is a universal one


@dataclass(frozen=True, kw_only=True)
class SquareSearch(Search):
    """Looks for square patches of the pairs, and of the targets, that coloured blocks point to.

    Which pairs to invert is told by forward passes on images of every class, not by universal
    triggers: a small patch that moves one class alone leaves no trace in these.

    Args:
        name: Recorded as the triggers' source.
        kind: Squares, with the probe that places them.
        inversion: Adam's settings; without noise.
        pairs: Stages of the best pairs.
        universal: Stages of the best targets; none for no universal triggers.
        num_pairs: Pairs that are inverted.
        num_targets: Targets that are inverted.
        starts: Places from which each is inverted, at most.
        min_asr: ASR on held-out images from which a trigger counts.
        good_asr: ASR from which the trigger of a smaller square is taken.
        most: Triggers of either reach that are given at most.

    Raises:
        ValueError: If a setting is out of range or there is no stage for pairs.

    Source: none.
    """

    kind: SquareKind
    inversion: InversionSettings
    pairs: Sequence[Stage]
    universal: Sequence[Stage]
    num_pairs: int
    num_targets: int
    starts: int
    min_asr: float
    good_asr: float
    most: int

    def __post_init__(self) -> None:
        require_fraction("min_asr", self.min_asr)
        require_fraction("good_asr", self.good_asr)
        for name in ("num_pairs", "num_targets", "starts", "most"):
            require_count(name, getattr(self, name))
        if not self.pairs:
            raise ValueError("pairs must hold one stage or more; got none")
        if self.inversion.noise != 0:
            raise ValueError(f"inversion.noise must be 0; got {self.inversion.noise}")
        self.kind.check_bounds([stage.bound for stage in (*self.pairs, *self.universal)])

    @property
    def num_steps(self) -> int:
        """Steps in all."""
        return sum(stage.steps for stage in (*self.pairs, *self.universal))

    def run(self, scene: Scene) -> Findings:
        """The triggers that reach the least ASR, strongest first, and what was tried.

        Args:
            scene: The classifier and its images.
        """
        begun = time.perf_counter()
        probed = self.kind.probe.results(scene)
        targets = sorted(probed.targets, key=lambda one: -probed.targets[one][0].strength)
        universal = [
            universal_candidate(target, scene.present) for target in targets[: self.num_targets]
        ]
        label_specific = [
            Candidate(victims=(victim,), target=target)
            for victim, target in list(probed.pairs)[: self.num_pairs]
        ]
        if len(scene.present) <= 2:
            label_specific, universal = universal, []
        triggers: list[InvertedTrigger] = []
        inversions = []
        for reach, wanted, stages in (
            (0.0, label_specific, self.pairs),
            (1.0, universal, self.universal),
        ):
            candidates = [one for trigger in wanted for one in self._started(scene, trigger)]
            if candidates and stages:
                staged = StagedInversion(
                    scene,
                    self.kind,
                    candidates,
                    optimizer=self.inversion,
                    first_bound=stages[0].bound,
                )
                inversions.append(staged)
                triggers += self._found(scene, staged, stages, reach)
        triggers = _by_reach(scene, triggers)
        report = report_of(
            self.name,
            inversions,
            begun=begun,
            num_found=len(triggers),
            strengths=[one.measurements["strength"] for one in triggers],
        )
        return Findings(triggers=tuple(triggers), report=report)

    def _started(self, scene: Scene, candidate: Candidate) -> list[Candidate]:
        """The candidate from each of its starts."""
        count = min(self.starts, len(self.kind.starts(scene, candidate)))
        return [
            Candidate(victims=candidate.victims, target=candidate.target, restart=start)
            for start in range(count)
        ]

    def _found(
        self,
        scene: Scene,
        staged: StagedInversion,
        stages: Sequence[Stage],
        is_universal: float,
    ) -> list[InvertedTrigger]:
        """The best triggers after all stages, of each pair or target from its best start."""
        candidates = staged.candidates
        history: History = {place: [] for place in range(len(candidates))}
        alive = list(history)
        for stage in stages:
            results = staged.run(stage, alive)
            for place in alive:
                history[place].append(results[place])
            ranked = sorted(results, key=lambda place: -results[place].strength)
            alive = _best_starts(candidates, ranked, keep=stage.keep)
        usual = median(reached[0].strength for reached in history.values())
        found = []
        for place in alive:
            reached = best_stage(history[place], min_asr=self.min_asr, good_asr=self.good_asr)
            if reached is None:
                continue
            candidate = candidates[place]
            rivals = [p for p, other in enumerate(candidates) if other.target != candidate.target]
            measured = {
                **by_stage(history, place, rivals=rivals),
                "strength_median": usual,
                "is_universal": is_universal,
                f"is_{self.name}": 1.0,
            }
            found.append(
                described(
                    reached.trigger, scene, candidate, source=self.name, measurements=measured
                )
            )
        return found[: self.most]


def _by_reach(scene: Scene, triggers: Sequence[InvertedTrigger]) -> list[InvertedTrigger]:
    """The triggers, those of a pair that flip most classes measured as the universal ones they are.

    Of several universal ones with one target the strongest is kept.
    """
    kept: list[InvertedTrigger] = []
    universal: dict[int, InvertedTrigger] = {}
    for one in triggers:
        measured = one.measurements
        flips_all = "disruption" in measured and measured["universality"] >= _UNIVERSAL
        if measured["is_universal"] == 0.0 and not flips_all:
            kept.append(one)
            continue
        if measured["is_universal"] == 0.0:
            one = described(
                one.trigger,
                scene,
                universal_candidate(one.target_class, scene.present),
                source=one.source,
                measurements={
                    name: value
                    for name, value in measured.items()
                    if name.startswith(("strength_", "margin_", "is_"))
                }
                | {"is_universal": 1.0},
            )
        known = universal.get(one.target_class)
        if known is None or known.measurements["strength"] < one.measurements["strength"]:
            universal[one.target_class] = one
    return [*kept, *universal.values()]


def _best_starts(candidates: Sequence[Candidate], ranked: Sequence[int], *, keep: int) -> list[int]:
    """The best start of each pair or target, of as many of these as are kept."""
    best: dict[tuple[tuple[int, ...], int], int] = {}
    for place in ranked:
        candidate = candidates[place]
        best.setdefault((candidate.victims, candidate.target), place)
    return list(best.values())[:keep]
