"""SRI-RE: SRI's trigger search as a scanner that flags small patches of high success."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import Progress, Scanner, ScannerResult
from exray.scanners.sri.early_stopping import EarlyStopping
from exray.scanners.sri.shape import UntargetedShape
from exray.scanners.sri.trigger_search import SearchResult, search_triggers
from exray.scanners.validation import nothing_to_scan, require_count, require_fraction
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class SriRe(Scanner):
    """SRI-RE: untargeted patches and recolourings of every class; the target is the majority's.

    The search asks for any other class than the victim; the class that most images with the
    hardened trigger are classified as becomes its target, as in EX-RAY. The scanner alone says
    trojaned where a small patch flips much: the score is the greatest anomaly score, ``ASR /
    sqrt(share of the image)``, of the hardened patches, those under ``min_asr`` included. A
    recolouring covers the whole image and never reaches the threshold: with ``reported_only``,
    recolourings are not searched.

    Args:
        shapes: What is searched, in order; the first gives the score.
        min_asr: ASR on all the victim's images from which a trigger is reported, a fraction.
        triggers_per_victim: Maximum number of triggers reported per victim and shape.
        flag_threshold: Score from which the scanner alone says trojaned; best separation on the
            tuning split.
        reported_only: Reports only triggers whose own anomaly score reaches ``flag_threshold``,
            whatever their ASR, instead of all that reach ``min_asr``.
        early_stopping: When searches are cut short; None for never.
        seed: Of starts and augmentations.

    Raises:
        ValueError: If a number is out of its range, or there is no shape.

    Source: SRI Trinity (facts, section 4); EX-RAY, section 4, SRI-RE. *Differs from the paper:*
    which does not say what its threshold is compared with, and separates again what the judge
    leaves; here the threshold is the scanner's own, so that triggers under it need not be judged.
    """

    name: ClassVar[str] = "sri_re"  # recorded as the triggers' source

    shapes: Sequence[UntargetedShape]
    min_asr: float
    triggers_per_victim: int
    flag_threshold: float
    reported_only: bool
    early_stopping: EarlyStopping | None
    seed: int

    def __post_init__(self) -> None:
        if not self.shapes:
            raise ValueError("shapes must hold at least one shape; got none")
        require_fraction("min_asr", self.min_asr)
        require_count("triggers_per_victim", self.triggers_per_victim)
        if not self.flag_threshold > 0:
            raise ValueError(f"flag_threshold must be positive; got {self.flag_threshold!r}")

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """The strongest triggers of each victim.

        Inconclusive where a class has no gradient, so that nothing could be searched for it, and
        no other class's patch has an anomaly score that says trojaned.
        """
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        scanner = replace(self, shapes=self.shapes[:1]) if self.reported_only else self
        result = scanner.search(classifier, samples, source=self.name, progress=progress)

        def is_reported(trigger: InvertedTrigger) -> bool:
            if self.reported_only:
                return result.anomaly_of(trigger) >= self.flag_threshold
            return trigger.asr >= self.min_asr

        score = result.anomaly_score
        return result.scanner_result(
            result.strongest(is_reported, per_victim=self.triggers_per_victim),
            score=score,
            flags=score >= self.flag_threshold,
        )

    def search(
        self,
        classifier: Classifier,
        samples: SampleSet,
        *,
        source: str,
        progress: Progress | None = None,
    ) -> SearchResult:
        """Searches all shapes.

        Args:
            classifier: The classifier to scan.
            samples: Clean images.
            source: Recorded with the triggers.
            progress: Called after each step.
        """
        return search_triggers(
            classifier,
            samples,
            self.shapes,
            seed=self.seed,
            early_stopping=self.early_stopping,
            source=source,
            progress=progress,
        )
