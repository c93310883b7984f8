"""Neural Cleanse: the smallest trigger to each class; outliers in size are flagged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.base import Progress, Scanner, ScannerResult, steps_reporter
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import Inversion, InversionSettings
from exray.scanners.inversion.measurement import most_flipped
from exray.scanners.inversion.objectives import CostSettings, DynamicCost
from exray.scanners.inversion.patches import random_patches
from exray.scanners.inversion.restarts import agreement
from exray.scanners.inversion.universal import pool_of, universal_candidate
from exray.scanners.neural_cleanse.anomaly_index import anomaly_indices
from exray.scanners.validation import (
    nothing_to_scan,
    present_classes,
    require_count,
    require_fraction,
)
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class OutlierRound:
    """Further optimisation of outliers in size, from their best states with a fresh Adam.

    Args:
        steps: Number of Adam steps; 0 leaves the triggers as they were compared.
        images_per_step: Maximum number of images per candidate and step.

    Raises:
        ValueError: If the steps are negative or the images not positive.
    """

    steps: int
    images_per_step: int

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps must be >= 0; got {self.steps!r}")
        require_count("images_per_step", self.images_per_step)


@dataclass(frozen=True, kw_only=True)
class NeuralCleanse(Scanner):
    """Inverts a minimal trigger per target or per pair; flags those that are outliers in size.

    Args:
        layer: Any layer at which the network can be cut; the method does not look at it.
        kind: ``universal`` for one trigger per target, from all other classes; ``pairs`` for one
            per (victim, target) pair.
        cost: The weight of the mask's size.
        inversion: Optimisation settings.
        steps: Maximum number of Adam steps, after which the sizes are compared.
        images_per_step: Maximum number of images per candidate and step.
        outliers: Further optimisation of outliers in size, on more images.
        stop: When a candidate is stopped early; its score is minus the mask's sum, in pixels.
        anomaly_threshold: Index above which a trigger is an outlier.
        min_asr: ASR of the hardened trigger on a victim's images from which it is reported.
        restarts: Number of random starts of each; the smallest trigger counts, the others'
            agreement is recorded.

    Raises:
        ValueError: If a setting is out of range.

    Source: Wang et al. 2019 (facts, section 3). *Differs from the released code:* a trigger whose
    ASR never met its threshold has no size, rather than that of the last mask; sizes are compared
    after few steps on few images, the same for all, and only outliers are optimised to the end.
    """

    name: ClassVar[str] = "neural_cleanse"  # recorded as the triggers' source

    layer: str
    kind: Literal["universal", "pairs"]
    cost: CostSettings
    inversion: InversionSettings
    steps: int
    images_per_step: int
    outliers: OutlierRound
    stop: StopRule
    anomaly_threshold: float
    min_asr: float
    restarts: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("universal", "pairs"):
            raise ValueError(f"kind must be universal or pairs; got {self.kind!r}")
        for name in ("steps", "images_per_step", "restarts"):
            require_count(name, getattr(self, name))
        require_fraction("min_asr", self.min_asr)

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """Triggers that are outliers in size; inconclusive where too few have a size."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        split = SplitClassifier.of(classifier, self.layer, samples.images)
        inversion = self.start(split, samples, self.candidates(present_classes(samples)))
        report = steps_reporter(progress, self.steps + self.outliers.steps)
        inversion.run(
            self.steps,
            alive=range(len(inversion.candidates)),
            images_per_step=_at_most(self.images_per_step, inversion),
            stop=self.stop,
            on_step=report,
        )
        return self._result(inversion, samples, report)

    def _result(
        self, inversion: Inversion, samples: SampleSet, report: Callable[[], None]
    ) -> ScannerResult:
        """The verdict by the sizes; outliers among them are optimised to the end."""
        starts = _starts_by_size(inversion)
        norms = {first: -float(inversion.best_score[first]) for first, *_ in starts}
        if len(norms) < 3:
            return self._too_few(inversion, len(norms))
        indices = dict(zip(norms, anomaly_indices(list(norms.values())), strict=True))
        outliers = sorted(
            (place for place in indices if indices[place] > self.anomaly_threshold),
            key=lambda place: -indices[place],
        )
        self._optimise_outliers(inversion, outliers, report)
        others = {first: rest for first, *rest in starts}
        triggers = [self._trigger(inversion, p, others[p], samples) for p in outliers]
        return ScannerResult(
            triggers=tuple(trigger for trigger in triggers if trigger.asr >= self.min_asr),
            num_candidates=len(inversion.candidates),
            flags=bool(outliers),
            score=max(indices.values()),
            inconclusive="" if outliers else inversion.failure_reason(),
        )

    def _optimise_outliers(
        self, inversion: Inversion, outliers: Sequence[int], report: Callable[[], None]
    ) -> None:
        """Optimises outliers on more images; where the threshold is not met there, they stay."""
        if not outliers or not self.outliers.steps:
            return
        inversion.restart_from_best(outliers, learning_rate=self.inversion.learning_rate)
        inversion.forget_scores()
        inversion.run(
            self.outliers.steps,
            alive=outliers,
            images_per_step=_at_most(self.outliers.images_per_step, inversion),
            on_step=report,
        )

    def _trigger(
        self, inversion: Inversion, place: int, others: Sequence[int], samples: SampleSet
    ) -> InvertedTrigger:
        """An outlier's trigger, with how far its other starts agree."""
        trigger = most_flipped(
            inversion.trigger(place),
            inversion.candidates[place],
            inversion.split.classifier,
            samples,
            source=self.name,
        )
        rest = [inversion.trigger(other) for other in others]
        measurements = agreement(trigger.trigger, rest, restarts=self.restarts)
        return replace(trigger, measurements=measurements)

    def _too_few(self, inversion: Inversion, num_sized: int) -> ScannerResult:
        """No verdict, since so few candidates met the ASR threshold."""
        total = len(inversion.candidates) // self.restarts
        reasons = [
            f"an anomaly index needs three triggers; {num_sized} of {total} reached an ASR of "
            f"{self.cost.asr_bar}",
            inversion.failure_reason(),
        ]
        return ScannerResult(
            triggers=(),
            num_candidates=total,
            flags=False,
            inconclusive="; ".join(reason for reason in reasons if reason),
        )

    def candidates(self, present: Sequence[int]) -> list[Candidate]:
        """One per target, or one per pair, with ``restarts`` starts of each.

        Args:
            present: Classes that have images.
        """
        if self.kind == "pairs":
            return [
                Candidate(victims=(victim,), target=target, restart=restart)
                for target in present
                for victim in present
                if victim != target
                for restart in range(self.restarts)
            ]
        return [
            universal_candidate(target, present, restart=restart)
            for target in present
            for restart in range(self.restarts)
        ]

    def start(
        self, split: SplitClassifier, samples: SampleSet, candidates: Sequence[Candidate]
    ) -> Inversion:
        """Random patches of the candidates.

        Args:
            split: The classifier.
            samples: Clean images.
            candidates: The candidates.
        """
        height, width = samples.images.shape[-2:]
        device = samples.images.device
        return Inversion(
            split,
            candidates,
            [pool_of(samples, candidate) for candidate in candidates],
            shape=random_patches(
                candidates, image_size=(height, width), seed=self.inversion.seed, device=device
            ),
            objective=DynamicCost(self.cost, num_candidates=len(candidates), device=device),
            settings=self.inversion,
        )


def _at_most(images: int, inversion: Inversion) -> int:
    """So many images per step, or as many as the largest pool has."""
    return min(images, max(len(pool) for pool in inversion.pools))


def _starts_by_size(inversion: Inversion) -> list[list[int]]:
    """Per candidate the indices of its starts that met the ASR threshold, smallest first."""
    scores = inversion.best_score.tolist()
    starts: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for place in sorted(range(len(scores)), key=lambda place: -scores[place]):
        candidate = inversion.candidates[place]
        if scores[place] > -torch.inf:
            starts.setdefault((candidate.victims, candidate.target), []).append(place)
    return list(starts.values())
