"""Neural Cleanse: the smallest trigger to each class, and which of them is oddly small."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.base import Progress, Scanner, ScannerResult, steps_reporter
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import EngineSettings, Inversion, StopRule
from exray.scanners.inversion.objectives import CostSettings, DynamicCost
from exray.scanners.inversion.patches import random_patches
from exray.scanners.inversion.restarts import agreement
from exray.scanners.inversion.universal import interleaved, most_flipped
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
    """How triggers that are outliers in size go on, from their best states with a fresh Adam.

    Args:
        steps: Adam steps; none leaves them as they were compared.
        images_per_step: Images each of them sees in a step, at most.

    Raises:
        ValueError: If the steps are negative or the images not positive.
    """

    steps: int
    images_per_step: int

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or self.steps < 0:
            raise ValueError(f"steps must be >= 0; got {self.steps!r}")
        require_count("images_per_step", self.images_per_step)


class NeuralCleanse(Scanner):
    """Inverts a minimal trigger per target or per pair; flags those that are outliers in size.

    Args:
        layer: Any layer at which the network can be cut; the method does not look at it.
        kind: ``universal`` for one trigger a target, from all other classes; ``pairs`` for one a
            (victim, target) pair.
        cost: The weight of the mask's size.
        inversion: How triggers are optimised.
        steps: Adam steps at most, after which the sizes are compared.
        images_per_step: Images each candidate sees in a step, at most.
        outliers: How those that are outliers in size go on, on more images.
        stop: When a candidate stops before that; its score is minus the mask's sum, in pixels.
        anomaly_threshold: Index above which a trigger is an outlier.
        min_asr: ASR of the hardened trigger on a victim's images from which it is handed on.
        restarts: Random starts of each; the smallest trigger counts, the others' agreement is kept.

    Source: Wang et al. 2019 (facts, section 3). *Differs from the released code:* a trigger whose
    ASR never reached its bar has no size, rather than that of the last mask; sizes are compared
    after few steps on few images, the same for all, and only outliers are optimised to the end.
    """

    name: ClassVar[str] = "neural_cleanse"  # recorded as the triggers' source

    def __init__(
        self,
        *,
        layer: str,
        kind: Literal["universal", "pairs"],
        cost: CostSettings,
        inversion: EngineSettings,
        steps: int,
        images_per_step: int,
        outliers: OutlierRound,
        stop: StopRule,
        anomaly_threshold: float,
        min_asr: float,
        restarts: int = 1,
    ) -> None:
        if kind not in ("universal", "pairs"):
            raise ValueError(f"kind must be universal or pairs; got {kind!r}")
        for key, value in (("steps", steps), ("images_per_step", images_per_step)):
            require_count(key, value)
        require_fraction("min_asr", min_asr)
        require_count("restarts", restarts)
        self.layer = layer
        self.kind = kind
        self.cost = cost
        self.inversion = inversion
        self.steps = steps
        self.images_per_step = images_per_step
        self.outliers = outliers
        self.stop = stop
        self.anomaly_threshold = anomaly_threshold
        self.min_asr = min_asr
        self.restarts = restarts

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
        """What the sizes say; outliers among them are optimised to the end."""
        starts = _sized(inversion)
        norms = {first: -float(inversion.best_score[first]) for first, *_ in starts}
        if len(norms) < 3:
            return self._too_few(inversion, len(norms))
        indices = dict(zip(norms, anomaly_indices(list(norms.values())), strict=True))
        outliers = sorted(
            (place for place in indices if indices[place] > self.anomaly_threshold),
            key=lambda place: -indices[place],
        )
        self._go_on(inversion, outliers, report)
        others = {first: rest for first, *rest in starts}
        triggers = [self._trigger(inversion, p, others[p], samples) for p in outliers]
        return ScannerResult(
            triggers=tuple(each for each in triggers if each.asr >= self.min_asr),
            num_candidates=len(inversion.candidates),
            flags=bool(outliers),
            score=max(indices.values()),
            inconclusive="" if outliers else inversion.trouble(),
        )

    def _go_on(
        self, inversion: Inversion, outliers: Sequence[int], report: Callable[[], None]
    ) -> None:
        """Optimises outliers on more images; where the bar is not met there, they stay."""
        if not outliers or not self.outliers.steps:
            return
        inversion.go_back(outliers, learning_rate=self.inversion.learning_rate)
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
        found = most_flipped(inversion, place, samples, source=self.name)
        rest = [inversion.trigger(each) for each in others]
        return replace(found, measurements=agreement(found.trigger, rest, restarts=self.restarts))

    def _too_few(self, inversion: Inversion, sized: int) -> ScannerResult:
        """No verdict, since so few candidates met the ASR bar."""
        whole = len(inversion.candidates) // self.restarts
        few = (
            f"an anomaly index needs three triggers; {sized} of {whole} reached an ASR of "
            f"{self.cost.asr_bar}"
        )
        trouble = inversion.trouble()
        return ScannerResult(
            triggers=(),
            num_candidates=whole,
            flags=False,
            inconclusive=f"{few}; {trouble}" if trouble else few,
        )

    def candidates(self, present: Sequence[int]) -> list[Candidate]:
        """One a target, or one a pair; as many starts of each as ``restarts`` says.

        Args:
            present: Classes that have images.
        """
        tries = range(self.restarts)
        pairs = [(victim, target) for target in present for victim in present if victim != target]
        if self.kind == "pairs":
            return [
                Candidate(victims=(victim,), target=target, restart=restart)
                for victim, target in pairs
                for restart in tries
            ]
        return [
            Candidate(
                victims=tuple(v for v in present if v != target), target=target, restart=restart
            )
            for target in present
            for restart in tries
        ]

    def start(
        self, split: SplitClassifier, samples: SampleSet, candidates: Sequence[Candidate]
    ) -> Inversion:
        """Random patches of the candidates.

        Args:
            split: The classifier.
            samples: Clean images.
            candidates: What to look for.
        """
        height, width = samples.images.shape[-2:]
        device = samples.images.device
        return Inversion(
            split,
            candidates,
            [interleaved([samples.of_class(v) for v in each.victims]) for each in candidates],
            shape=random_patches(
                candidates, image_size=(height, width), seed=self.inversion.seed, device=device
            ),
            objective=DynamicCost(self.cost, num_candidates=len(candidates), device=device),
            settings=self.inversion,
        )


def _at_most(images: int, inversion: Inversion) -> int:
    """So many images a step, or as many as the candidate with the most has."""
    return min(images, max(len(pool) for pool in inversion.pools))


def _sized(inversion: Inversion) -> list[list[int]]:
    """Of each candidate that met the ASR bar the places of its starts that did, smallest first."""
    scores = inversion.best_score.tolist()
    starts: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for place in sorted(range(len(scores)), key=lambda place: -scores[place]):
        candidate = inversion.candidates[place]
        if scores[place] > -torch.inf:
            starts.setdefault((candidate.victims, candidate.target), []).append(place)
    return list(starts.values())
