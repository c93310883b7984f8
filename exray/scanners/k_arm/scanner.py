"""K-Arm: pairs and universal targets are arms of a bandit that shrinks their patches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.base import Progress, Scanner, ScannerResult, steps_reporter
from exray.scanners.inversion.initialization import ProbeSettings
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.measurement import most_flipped
from exray.scanners.inversion.objectives import CostSettings
from exray.scanners.inversion.prescreen import PrescreenSettings, likely_pairs
from exray.scanners.inversion.restarts import agreement
from exray.scanners.inversion.universal import UniversalSettings
from exray.scanners.k_arm.arms import ArmStarter
from exray.scanners.k_arm.bandit import Arm, ArmSettings, Bandit
from exray.scanners.k_arm.symmetric_check import ScoredTrigger, SymmetricCheck
from exray.scanners.validation import (
    nothing_to_scan,
    pixels_of,
    require_count,
    require_fraction,
    require_size_share,
)


@dataclass(frozen=True, kw_only=True)
class KArm(Scanner):
    """Shrinks patches, one arm per pair or universal target, and reports those within their bound.

    Args:
        layer: Any layer at which the network can be cut; the method does not look at it.
        prescreen: Which pairs are arms.
        universal: Which targets are arms for all victims at once; None for none.
        arms: How the steps are distributed.
        probe: How an arm's first square is chosen.
        cost: The weight of the mask's size.
        inversion: Optimisation settings.
        images_per_step: Images that the arm of a pair sees per step.
        max_size_share: Bound on the trigger's size as a share of the image's area, of pairs.
        min_ratio: Least ratio of the size from target to victim over that from victim to target:
            K-Arm's own check for natural triggers, of pairs. None leaves them to the judge.
        min_asr: ASR of the hardened trigger on the victim's images from which it counts.
        restarts: Number of squares that each candidate is started from, at different places, each
            as an arm; they share the plays. The smallest trigger counts and the others' agreement
            is recorded.

    Raises:
        ValueError: If a setting is out of range.

    Source: Shen et al. 2021 (facts, section 5). *Differs from the released code:* arms start from
    the best coloured square; pairs are tried beside universal targets; a scan without a likely
    pair tries the likeliest.
    """

    name: ClassVar[str] = "k_arm"  # recorded as the triggers' source

    layer: str
    prescreen: PrescreenSettings
    universal: UniversalSettings | None
    arms: ArmSettings
    probe: ProbeSettings
    cost: CostSettings
    inversion: InversionSettings
    images_per_step: int
    max_size_share: float
    min_ratio: float | None
    min_asr: float
    restarts: int = 1

    def __post_init__(self) -> None:
        require_size_share("max_size_share", self.max_size_share)
        require_fraction("min_asr", self.min_asr)
        require_count("images_per_step", self.images_per_step)
        require_count("restarts", self.restarts)

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """Triggers within their size bounds, the smallest for its bound first."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        height, width = samples.images.shape[-2:]
        pixels_of("max_size_share", self.max_size_share, (height, width))  # refuses less than one
        starter = self.starter(classifier, samples)
        arms = self._play(starter, progress)
        scored = self._scored(arms, classifier, samples)
        small = _best_starts([s for s in scored if s.margin >= 1], restarts=self.restarts)
        if self.min_ratio is not None:
            elimination = self.arms.backward_elimination
            check = SymmetricCheck(min_ratio=self.min_ratio, elimination=elimination)
            small = check.passing(small, starter.pair_arms)
        return ScannerResult(
            triggers=tuple(one.trigger for one in small),
            num_candidates=len(arms),
            flags=bool(small),
            score=max((one.margin for one in scored), default=0.0),
            inconclusive="" if small else _failure_reason(arms),
        )

    def starter(self, classifier: Classifier, samples: SampleSet) -> ArmStarter:
        """What starts the arms of a scan.

        Args:
            classifier: The classifier to scan.
            samples: Clean images.
        """
        return ArmStarter(
            split=SplitClassifier.of(classifier, self.layer, samples.images),
            samples=samples,
            probe=self.probe,
            cost=self.cost,
            inversion=self.inversion,
            images_per_step=self.images_per_step,
            max_size_share=self.max_size_share,
        )

    def _play(self, starter: ArmStarter, progress: Progress | None) -> list[Arm]:
        """All arms, after the bandit has played them."""
        likely = likely_pairs(starter.split.classifier, starter.samples, self.prescreen)
        pairs = starter.pair_arms(likely, restarts=self.restarts)
        universal = []
        if self.universal is not None:
            universal = starter.universal_arms(self.universal, restarts=self.restarts)
        arms = [*universal, *pairs]
        bandit = Bandit(arms, self.arms, area=starter.image_area, seed=self.inversion.seed)
        bandit.run(steps_reporter(progress, self.arms.plays_of(len(arms))))
        return arms

    def _scored(
        self, arms: Sequence[Arm], classifier: Classifier, samples: SampleSet
    ) -> list[ScoredTrigger]:
        """Triggers of arms that met the ASR threshold, the highest margin first."""
        scored = []
        for arm in arms:
            if arm.size == float("inf"):
                continue
            trigger = arm.inversion.trigger(arm.place)
            inverted = most_flipped(trigger, arm.candidate, classifier, samples, source=self.name)
            if inverted.asr >= self.min_asr:
                scored.append(ScoredTrigger(arm=arm, trigger=inverted))
        return sorted(scored, key=lambda one: -one.margin)


def _best_starts(scored: Sequence[ScoredTrigger], *, restarts: int) -> list[ScoredTrigger]:
    """The first trigger of each candidate's starts, with how far the others agree.

    Args:
        scored: Triggers within their bounds, the smallest first.
        restarts: Number of starts of each candidate.
    """
    starts: dict[Candidate, list[ScoredTrigger]] = {}
    for one in scored:
        starts.setdefault(replace(one.arm.candidate, restart=0), []).append(one)
    best = []
    for first, *others in starts.values():
        rest = [other.trigger.trigger for other in others]
        measurements = agreement(first.trigger.trigger, rest, restarts=restarts)
        best.append(replace(first, trigger=replace(first.trigger, measurements=measurements)))
    return best


def _failure_reason(arms: Sequence[Arm]) -> str:
    """Why finding no trigger would mean nothing, of the first inversion that has a reason."""
    reasons = (arm.inversion.failure_reason() for arm in arms)
    return next((reason for reason in reasons if reason), "")
