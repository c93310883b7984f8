"""SRI's trigger search as a scanner: the strongest untargeted triggers, and how odd they are."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.answers import success
from exray.scanners.checks import (
    nothing_to_scan,
    present_classes,
    require_count,
    require_fraction,
)
from exray.scanners.scanner import Progress, Scanner, ScanResult, steps_reporter
from exray.scanners.untargeted import Generated, UntargetedSearch, UntargetedShape
from exray.triggers.trigger import InvertedTrigger


class SriRe(Scanner):
    """SRI-RE: untargeted patches and recolourings of every class; the target is the majority's.

    The search asks for any other class than the victim; the class that most of the hardened
    trigger's images are taken for becomes its target, as EX-RAY does. The scanner alone says
    trojaned where a small patch flips much: the score is the greatest ``ASR / sqrt(share of the
    image)`` over the hardened patches, those under ``min_asr`` included. Recolourings are handed on
    and do not count towards the score.

    Args:
        name: Recorded as the triggers' source.
        shapes: What is searched, in order; the first gives the score.
        min_asr: ASR on all the victim's images from which a trigger is handed on, a fraction.
        triggers_per_victim: Strongest triggers of each victim and shape that are handed on.
        flag_threshold: Score from which the scanner alone says trojaned; best separation on the
            tuning split.
        seed: Of starts and augmentations.

    Raises:
        ValueError: If a number is out of its range, or there is no shape.

    Source: SRI Trinity (facts, section 4); EX-RAY, section 4, SRI-RE. *Differs from the paper:*
    which does not say what its threshold is held against.
    """

    def __init__(
        self,
        *,
        name: str,
        shapes: Sequence[UntargetedShape],
        min_asr: float,
        triggers_per_victim: int,
        flag_threshold: float,
        seed: int,
    ) -> None:
        if not shapes:
            raise ValueError("scanner.shapes must hold at least one shape; got none")
        require_fraction("min_asr", min_asr)
        require_count("triggers_per_victim", triggers_per_victim)
        if not flag_threshold > 0:
            raise ValueError(f"scanner.flag_threshold must be positive; got {flag_threshold!r}")
        self.name = name
        self.shapes = tuple(shapes)
        self.min_asr = min_asr
        self.triggers_per_victim = triggers_per_victim
        self.flag_threshold = flag_threshold
        self.seed = seed

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScanResult:
        """The strongest triggers of each victim.

        Inconclusive where a class has no gradient, so that nothing could be searched for it, and
        no other class' patch is odd enough to say trojaned.
        """
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        present = present_classes(samples)
        schedules = [shape.schedule for shape in self.shapes]
        report = steps_reporter(progress, sum(each.rounds * each.steps for each in schedules))
        kept: list[InvertedTrigger] = []
        score, moved, broken = 0.0, [False] * len(present), [False] * len(present)
        for place, shape in enumerate(self.shapes):
            search = UntargetedSearch(classifier, samples, shape, seed=self.seed)
            found = [self._measured(classifier, samples, each) for each in search.run(report)]
            moved = [one or other for one, other in zip(moved, search.moved, strict=True)]
            broken = [one or other for one, other in zip(broken, search.broken, strict=True)]
            if place == 0:
                area = samples.images.shape[-2] * samples.images.shape[-1]
                score = max(oddity(each.asr, each.trigger.size_pixels / area) for each in found)
            kept += self._strongest(found)
        lost = [not moves or breaks for moves, breaks in zip(moved, broken, strict=True)]
        stuck = [index for index, loses in zip(present, lost, strict=True) if loses]
        return ScanResult(
            triggers=tuple(sorted(kept, key=_rank)),
            num_candidates=sum(each.rounds for each in schedules) * len(present),
            flags=score >= self.flag_threshold,
            score=score,
            inconclusive=_stuck(stuck) if stuck and score < self.flag_threshold else "",
        )

    def _strongest(self, found: Sequence[InvertedTrigger]) -> list[InvertedTrigger]:
        """The best triggers of each victim that meet the bar, one for each target."""
        kept: list[InvertedTrigger] = []
        for each in sorted(found, key=_rank):
            before = [other for other in kept if other.victim_class == each.victim_class]
            fresh = all(other.target_class != each.target_class for other in before)
            if each.asr >= self.min_asr and fresh and len(before) < self.triggers_per_victim:
                kept.append(each)
        return kept

    def _measured(
        self, classifier: Classifier, samples: SampleSet, generated: Generated
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
            source=self.name,
        )


def majority_target(logits: Float[Tensor, "n k"], victim: int) -> int:
    """The class, other than the victim, that most images are taken for; the lowest of equal ones.

    Example:
        >>> logits = torch.eye(3)[[0, 0, 2, 2, 1]]
        >>> majority_target(logits, victim=0), majority_target(logits, victim=2)
        (2, 0)
    """
    votes = torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1])
    votes[victim] = -1
    return int(votes.argmax())


def oddity(asr: float, size_share: float) -> float:
    """How much a small patch does: the ASR over the root of its share of the image.

    Example:
        >>> oddity(0.8, 0.04), oddity(0.0, 0.0)
        (4.0, 0.0)
    """
    return asr / size_share**0.5 if size_share > 0 else 0.0


def _rank(trigger: InvertedTrigger) -> tuple[float, float, float]:
    """Sorts by ASR, then the smaller, then the surer."""
    return -trigger.asr, trigger.trigger.size_pixels, -trigger.target_probability


def _stuck(classes: Sequence[int]) -> str:
    return (
        f"the classifier has no gradient for images of classes {', '.join(map(str, classes))}: "
        "its probabilities are saturated or NaN, or it answers the same to everything"
    )
