"""SRI's search over all its trigger shapes, and what its results say about a classifier."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import Progress, ScannerResult, steps_reporter
from exray.scanners.inversion.success import success
from exray.scanners.sri.early_stopping import EarlyStopping
from exray.scanners.sri.search import GeneratedTrigger, UntargetedSearch
from exray.scanners.sri.shape import UntargetedShape
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class ShapeResult:
    """The triggers of one shape.

    Args:
        triggers: One per class and round, weak ones included.
        num_searches: Searches of one class in one round that were started.
        with_gradient: Classes whose images had a gradient.
        with_broken_gradient: Classes of which a gradient was NaN or infinite.
    """

    triggers: tuple[InvertedTrigger, ...]
    num_searches: int
    with_gradient: frozenset[int]
    with_broken_gradient: frozenset[int]

    def strongest(
        self, is_reported: Callable[[InvertedTrigger], bool], *, per_victim: int
    ) -> list[InvertedTrigger]:
        """The best reported triggers of each victim, one per target.

        Args:
            is_reported: Which triggers qualify.
            per_victim: Maximum number per victim.
        """
        best: dict[int, list[InvertedTrigger]] = {}
        for trigger in sorted(filter(is_reported, self.triggers), key=_rank):
            chosen = best.setdefault(trigger.victim_class, [])
            is_new = all(other.target_class != trigger.target_class for other in chosen)
            if is_new and len(chosen) < per_victim:
                chosen.append(trigger)
        return [trigger for chosen in best.values() for trigger in chosen]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The triggers of all shapes.

    Args:
        shapes: Results in the order of the shapes; the first decides the scanner's verdict.
        victims: Classes that were searched.
        image_area: Of an image, in pixels.
    """

    shapes: tuple[ShapeResult, ...]
    victims: tuple[int, ...]
    image_area: int

    @property
    def anomaly_score(self) -> float:
        """Greatest anomaly score of the first shape's triggers; 0 without any."""
        return max(map(self.anomaly_of, self.shapes[0].triggers), default=0.0)

    def anomaly_of(self, trigger: InvertedTrigger) -> float:
        """ASR over the square root of the trigger's share of the image."""
        return anomaly_score(trigger.asr, trigger.trigger.size_pixels / self.image_area)

    @property
    def log_anomaly(self) -> float:
        """``max log(1 + target probability / sqrt(share of the image))`` of the first shape.

        A trigger without pixels counts as one of one pixel.
        """
        return max(map(self._log_anomaly_of, self.shapes[0].triggers), default=0.0)

    def _log_anomaly_of(self, trigger: InvertedTrigger) -> float:
        share = max(trigger.trigger.size_pixels, 1.0) / self.image_area
        return math.log1p(trigger.target_probability / share**0.5)

    def strongest(
        self, is_reported: Callable[[InvertedTrigger], bool], *, per_victim: int
    ) -> tuple[InvertedTrigger, ...]:
        """The best reported triggers of each victim and shape, strongest first.

        Args:
            is_reported: Which triggers qualify.
            per_victim: Maximum number per victim and shape.
        """
        triggers = [
            trigger
            for shape in self.shapes
            for trigger in shape.strongest(is_reported, per_victim=per_victim)
        ]
        return tuple(sorted(triggers, key=_rank))

    def scanner_result(
        self, triggers: Sequence[InvertedTrigger], *, score: float, flags: bool
    ) -> ScannerResult:
        """The scanner's result.

        Args:
            triggers: The triggers to report.
            score: The number that the scanner's verdict is based on.
            flags: The verdict; if it is clean, a class that could not be searched counts.
        """
        return ScannerResult(
            triggers=tuple(triggers),
            num_candidates=sum(shape.num_searches for shape in self.shapes),
            flags=flags,
            score=score,
            inconclusive="" if flags else self._missing_gradients(),
        )

    def _missing_gradients(self) -> str:
        """Names the classes that no shape could be searched for; empty where there are none."""
        with_gradient = frozenset[int]().union(*(shape.with_gradient for shape in self.shapes))
        broken = frozenset[int]().union(*(shape.with_broken_gradient for shape in self.shapes))
        classes = [v for v in self.victims if v not in with_gradient or v in broken]
        if not classes:
            return ""
        return (
            f"the classifier has no gradient for images of classes {', '.join(map(str, classes))}: "
            "its probabilities are saturated or NaN, or it answers the same to everything"
        )


def search_triggers(
    classifier: Classifier,
    samples: SampleSet,
    shapes: Sequence[UntargetedShape],
    *,
    seed: int,
    early_stopping: EarlyStopping | None,
    source: str,
    progress: Progress | None = None,
) -> SearchResult:
    """Searches all shapes.

    Args:
        classifier: The classifier to scan.
        samples: Clean images.
        shapes: What is searched, in order.
        seed: Of starts and augmentations.
        early_stopping: When searches are cut short; None for never.
        source: Recorded with the triggers.
        progress: Called after each step.
    """
    searches = [
        UntargetedSearch(classifier, samples, shape, seed=seed, early_stopping=early_stopping)
        for shape in shapes
    ]
    report = steps_reporter(progress, sum(search.num_steps for search in searches))
    results = []
    for search in searches:
        triggers = []
        for generated in search.run(report):
            triggers.append(_with_target(classifier, samples, generated, source=source))
            search.record_success(generated.victim, triggers[-1].target_probability)
        results.append(
            ShapeResult(
                triggers=tuple(triggers),
                num_searches=search.num_searches,
                with_gradient=_classes(search, search.has_gradient),
                with_broken_gradient=_classes(search, search.has_broken_gradient),
            )
        )
    return SearchResult(
        shapes=tuple(results),
        victims=tuple(searches[0].victims),
        image_area=samples.images.shape[-2] * samples.images.shape[-1],
    )


def _classes(search: UntargetedSearch, rows: Tensor) -> frozenset[int]:
    return frozenset(v for v, is_set in zip(search.victims, rows.tolist(), strict=True) if is_set)


def _with_target(
    classifier: Classifier, samples: SampleSet, generated: GeneratedTrigger, *, source: str
) -> InvertedTrigger:
    """A trigger with its majority target."""
    images = samples.of_class(generated.victim)
    logits = classifier.predict(generated.trigger.apply(images)).double()
    target = majority_target(logits, generated.victim)
    asr, probability = success(logits[None], torch.tensor([target], device=logits.device))
    return InvertedTrigger(
        trigger=generated.trigger,
        victim_class=generated.victim,
        target_class=target,
        asr=float(asr),
        target_probability=float(probability),
        source=source,
    )


def majority_target(logits: Float[Tensor, "n k"], victim: int) -> int:
    """The class, other than the victim, that most images are classified as; the lowest in a tie.

    Example:
        >>> logits = torch.eye(3)[[0, 0, 2, 2, 1]]
        >>> majority_target(logits, victim=0), majority_target(logits, victim=2)
        (2, 0)
    """
    votes = torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1])
    votes[victim] = -1
    return int(votes.argmax())


def anomaly_score(asr: float, size_share: float) -> float:
    """The ASR over the square root of the trigger's share of the image.

    Example:
        >>> anomaly_score(0.8, 0.04), anomaly_score(0.0, 0.0)
        (4.0, 0.0)
    """
    return asr / size_share**0.5 if size_share > 0 else 0.0


def _rank(trigger: InvertedTrigger) -> tuple[float, float, float]:
    """Sort key: higher ASR, then smaller size, then higher target probability."""
    return -trigger.asr, trigger.trigger.size_pixels, -trigger.target_probability
