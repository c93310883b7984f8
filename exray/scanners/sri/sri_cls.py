"""SRI-CLS: SRI's trigger search, and a fit on another zoo that gives the probability."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import FileScanner, Progress, ScannerResult
from exray.scanners.sri.sri_re import SriRe
from exray.scanners.sri.trojan_probability import read_trojan_probability
from exray.scanners.validation import nothing_to_scan

SHIPPED = Path(__file__).with_name("sri_cls.json")
_TROJANED = 0.5  # probability from which the scanner alone says trojaned


class SriCls(FileScanner):
    """SRI-CLS: the search of ``SriRe``, decided by a logistic regression fitted on another zoo.

    The scanner's score is the fit's calibrated probability; it says trojaned from one half on. The
    fit uses the first shape's triggers, those that give ``SriRe`` its score.

    Args:
        search: The search, as when the file was fitted; without early stopping.
        classifier: File of the fit, by ``task=fit``; None for the one shipped with exray.

    Raises:
        ValueError: If the search is stopped early.

    Source: SRI Trinity (facts, section 4); EX-RAY, section 4, SRI-CLS. *Differs from the released
    code:* the fit uses one number per hardened patch instead of all checkpoints of its search, and
    no recolourings.
    """

    name: ClassVar[str] = "sri_cls"  # recorded as the triggers' source

    def __init__(self, *, search: SriRe, classifier: str | None) -> None:
        if search.early_stopping is not None:
            raise ValueError(
                "search.early_stopping must be null: a fit needs every search to run to its end"
            )
        self.search = search
        self.path = SHIPPED if classifier is None else Path(classifier)

    def fingerprint(self) -> str:
        """Hash of the fit's file.

        Raises:
            ValueError: If the file is no fit.
        """
        read_trojan_probability(self.path)
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """The strongest triggers of each victim, and the probability of a trojan.

        Raises:
            ValueError: If the file is no fit.
        """
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        model = read_trojan_probability(self.path)
        result = self.search.search(classifier, samples, source=self.name, progress=progress)
        probability = model.probability(result.log_anomaly)
        flags = probability >= _TROJANED
        triggers = result.strongest(
            lambda trigger: trigger.asr >= self.search.min_asr,
            per_victim=self.search.triggers_per_victim,
        )
        return result.scanner_result(
            triggers if flags or not self.search.reported_only else (),
            score=probability,
            flags=flags,
        )

    def log_anomaly(self, classifier: Classifier, samples: SampleSet) -> float:
        """The number that the fit uses, from a search of the first shape alone.

        Args:
            classifier: The classifier to search.
            samples: Clean images.
        """
        first = replace(self.search, shapes=self.search.shapes[:1])
        return first.search(classifier, samples, source=self.name).log_anomaly
