"""SRI's trigger search as a scanner: the strongest untargeted triggers, and how odd they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import Progress, Scanner, ScannerResult, steps_reporter
from exray.scanners.inversion.success import success
from exray.scanners.sri.early_stopping import EarlyStopping
from exray.scanners.sri.search import GeneratedTrigger, UntargetedSearch
from exray.scanners.sri.shape import UntargetedShape
from exray.scanners.validation import nothing_to_scan, require_count, require_fraction
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """What SRI's search looks for and hands on.

    Args:
        shapes: What is searched, in order.
        min_asr: ASR on all the victim's images from which a trigger counts as found, a fraction.
        triggers_per_victim: Strongest triggers of each victim and shape that are handed on.
        reported_only: Whether only triggers on which the scanner's verdict rests are handed on.
        economy: Which searches are cut short; None for none.
        seed: Of starts and augmentations.

    Raises:
        ValueError: If a number is out of its range, or there is no shape.
    """

    shapes: tuple[UntargetedShape, ...]
    min_asr: float
    triggers_per_victim: int
    reported_only: bool
    economy: EarlyStopping | None
    seed: int

    def __post_init__(self) -> None:
        if not self.shapes:
            raise ValueError("scanner.engine.shapes must hold at least one shape; got none")
        require_fraction("min_asr", self.min_asr)
        require_count("triggers_per_victim", self.triggers_per_victim)


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What SRI's search found.

    Args:
        triggers: The strongest of each victim and shape that reach the bar.
        reported_only: Whether they are handed on only where the scanner says trojaned.
        oddity: Greatest of the first shape's triggers.
        num_candidates: Searches that were begun.
        stuck: Why some class could not be searched; empty where all could.
        first: All of the first shape's triggers, one a class and round, weak ones included.
        looks: How the search for each of them went.
    """

    triggers: tuple[InvertedTrigger, ...]
    reported_only: bool
    oddity: float
    num_candidates: int
    stuck: str
    first: tuple[InvertedTrigger, ...]
    looks: tuple[Float[Tensor, " _"], ...]

    def result(self, score: float, *, flags: bool) -> ScannerResult:
        """What a scanner answers that takes these for as trojaned as the score says.

        Of a classifier that the scanner calls clean nothing is reported.

        Args:
            score: What its verdict rests on.
            flags: The verdict; where it is clean, a class that could not be searched counts.
        """
        return ScannerResult(
            triggers=self.triggers if flags or not self.reported_only else (),
            num_candidates=self.num_candidates,
            flags=flags,
            score=score,
            inconclusive="" if flags else self.stuck,
        )


def searched(
    classifier: Classifier,
    samples: SampleSet,
    settings: SearchSettings,
    *,
    name: str,
    progress: Progress | None,
    min_oddity: float | None = None,
) -> SearchResult:
    """SRI's search of all shapes.

    Args:
        classifier: What is scanned.
        samples: Clean images.
        settings: What is searched.
        name: Recorded as the triggers' source.
        progress: Told of each step.
        min_oddity: Of the triggers that may be handed on; None to ask for ``min_asr`` instead.
    """
    searches = [
        UntargetedSearch(classifier, samples, shape, seed=settings.seed, economy=settings.economy)
        for shape in settings.shapes
    ]
    report = steps_reporter(progress, sum(each.num_steps for each in searches))
    found, looks = [], []
    for shape, search in zip(settings.shapes, searches, strict=True):
        triggers, shown = [], []
        for generated in search.run(report):
            triggers.append(_measured(classifier, samples, generated, name=name))
            shown.append(shape.looks(generated.features))
            search.note(generated.victim, triggers[-1].target_probability)
        found.append(triggers)
        looks.append(tuple(shown))
    area = samples.images.shape[-2] * samples.images.shape[-1]

    def odd(each: InvertedTrigger) -> float:
        return oddity(each.asr, each.trigger.size_pixels / area)

    def enough(each: InvertedTrigger) -> bool:
        return each.asr >= settings.min_asr if min_oddity is None else odd(each) >= min_oddity

    kept = [each for some in found for each in _strongest(filter(enough, some), settings)]
    return SearchResult(
        triggers=tuple(sorted(kept, key=_rank)),
        reported_only=settings.reported_only,
        oddity=max(map(odd, found[0]), default=0.0),
        num_candidates=sum(each.num_begun for each in searches),
        stuck=_stuck(searches),
        first=tuple(found[0]),
        looks=looks[0],
    )


class SriRe(Scanner):
    """SRI-RE: untargeted patches and recolourings of every class; the target is the majority's.

    The search asks for any other class than the victim; the class that most of the hardened
    trigger's images are taken for becomes its target, as EX-RAY does. The scanner alone says
    trojaned where a small patch flips much: the score is the greatest ``ASR / sqrt(share of the
    image)`` over the hardened patches, those under ``min_asr`` included. A trigger is reported if
    its own reaches the bar. A recolouring covers the whole image and never does: recolourings are
    searched only where all triggers that are found are handed on.

    Args:
        shapes: What is searched, in order; the first gives the score.
        min_asr: ASR on all the victim's images from which a trigger counts as found, a fraction.
        triggers_per_victim: Strongest triggers of each victim and shape that are handed on.
        flag_threshold: Score from which the scanner alone says trojaned; best separation on the
            tuning split.
        reported_only: Whether only triggers at ``flag_threshold`` are handed on, whatever their
            ASR, or all that are found.
        economy: Which searches are cut short; None for none.
        seed: Of starts and augmentations.

    Raises:
        ValueError: If a number is out of its range, or there is no shape.

    Source: SRI Trinity (facts, section 4); EX-RAY, section 4, SRI-RE. *Differs from the paper:*
    which does not say what its threshold is held against, and separates anew what the judge leaves;
    here the bar is the scanner's own, and so what is under it need not be judged.
    """

    name: ClassVar[str] = "sri_re"  # recorded as the triggers' source

    def __init__(
        self,
        *,
        shapes: Sequence[UntargetedShape],
        min_asr: float,
        triggers_per_victim: int,
        flag_threshold: float,
        reported_only: bool,
        economy: EarlyStopping | None,
        seed: int,
    ) -> None:
        if not flag_threshold > 0:
            raise ValueError(
                f"scanner.engine.flag_threshold must be positive; got {flag_threshold!r}"
            )
        self.search = SearchSettings(
            shapes=tuple(shapes),
            min_asr=min_asr,
            triggers_per_victim=triggers_per_victim,
            reported_only=reported_only,
            economy=economy,
            seed=seed,
        )
        self.flag_threshold = flag_threshold

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """The strongest triggers of each victim.

        Inconclusive where a class has no gradient, so that nothing could be searched for it, and
        no other class' patch is odd enough to say trojaned.
        """
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        search, bar = self.search, None
        if search.reported_only:
            search, bar = replace(search, shapes=search.shapes[:1]), self.flag_threshold
        found = searched(
            classifier, samples, search, name=self.name, progress=progress, min_oddity=bar
        )
        return found.result(found.oddity, flags=found.oddity >= self.flag_threshold)


def _strongest(found: Iterable[InvertedTrigger], settings: SearchSettings) -> list[InvertedTrigger]:
    """The best triggers of each victim, one for each target."""
    kept: list[InvertedTrigger] = []
    for each in sorted(found, key=_rank):
        before = [other for other in kept if other.victim_class == each.victim_class]
        fresh = all(other.target_class != each.target_class for other in before)
        room = len(before) < settings.triggers_per_victim
        if fresh and room:
            kept.append(each)
    return kept


def _measured(
    classifier: Classifier, samples: SampleSet, generated: GeneratedTrigger, *, name: str
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
        source=name,
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


def _stuck(searches: Sequence[UntargetedSearch]) -> str:
    """Which classes no search had a gradient for, or one a broken one; empty where none."""
    moved = torch.stack([each.moved for each in searches]).any(dim=0)
    broken = torch.stack([each.broken for each in searches]).any(dim=0)
    lost = (~moved | broken).tolist()
    classes = [victim for victim, lose in zip(searches[0].victims, lost, strict=True) if lose]
    if not classes:
        return ""
    return (
        f"the classifier has no gradient for images of classes {', '.join(map(str, classes))}: "
        "its probabilities are saturated or NaN, or it answers the same to everything"
    )
