"""SRI's trigger search with the classifier of classifiers that SRI trains on a zoo."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.checks import nothing_to_scan
from exray.scanners.scanner import FileScanner, Progress, ScanResult
from exray.scanners.set_classifier import SetClassifier, read_set_classifier
from exray.scanners.sri import SearchSettings, searched
from exray.scanners.untargeted import UntargetedShape

_TROJANED = 0.5  # probability from which the scanner alone says trojaned


class SriCls(FileScanner):
    """SRI-CLS: the triggers of ``SriRe``; what they look like decides, by a fit on another zoo.

    The scanner's score is the fit's calibrated probability; it says trojaned from one half on.

    Args:
        name: Recorded as the triggers' source.
        shapes: What is searched, in order, as when the file was fitted.
        min_asr: ASR on all the victim's images from which a trigger is handed on, a fraction.
        triggers_per_victim: Strongest triggers of each victim and shape that are handed on.
        classifier: File of the fit, by ``task=fit``.
        seed: Of starts and augmentations.

    Raises:
        ValueError: If a number is out of its range, or there is no shape.

    Source: SRI Trinity (facts, section 4); EX-RAY, section 4, SRI-CLS.
    """

    def __init__(
        self,
        *,
        name: str,
        shapes: Sequence[UntargetedShape],
        min_asr: float,
        triggers_per_victim: int,
        classifier: str,
        seed: int,
    ) -> None:
        self.name = name
        self.search = SearchSettings(
            shapes=tuple(shapes),
            min_asr=min_asr,
            triggers_per_victim=triggers_per_victim,
            economy=None,  # a fit sees all of every search
            seed=seed,
        )
        self.path = Path(classifier)

    def fingerprint(self) -> str:
        """Hash of the fit.

        Raises:
            ValueError: If the file is no fit.
        """
        read_set_classifier(self.path)
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScanResult:
        """The strongest triggers of each victim, and how likely a trojan their looks make.

        Raises:
            ValueError: If the file is no fit, or was fitted to another search.
        """
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        model = read_set_classifier(self.path)
        found = searched(classifier, samples, self.search, name=self.name, progress=progress)
        probability = trojan_probability(
            model, [torch.stack(each) for each in found.features], self.path
        )
        flags = probability >= _TROJANED
        return ScanResult(
            triggers=found.triggers,
            num_candidates=found.num_candidates,
            flags=flags,
            score=probability,
            inconclusive="" if flags else found.stuck,
        )

    def features(
        self, classifier: Classifier, samples: SampleSet
    ) -> tuple[Float[Tensor, "s _"], ...]:
        """What the triggers of each shape look like: what a fit sees of a classifier.

        Args:
            classifier: What is searched.
            samples: Clean images.
        """
        found = searched(classifier, samples, self.search, name=self.name, progress=None)
        return tuple(torch.stack(each) for each in found.features)


def trojan_probability(
    model: SetClassifier, features: Sequence[Float[Tensor, "s _"]], path: Path
) -> float:
    """The fit's probability for one classifier.

    Args:
        model: The fit.
        features: Of the classifier's triggers, for each shape.
        path: The fit's file, for the message.

    Raises:
        ValueError: If the features are not those that it was fitted to.
    """
    widths = tuple(each.shape[1] for each in features)
    if widths != model.widths:
        raise ValueError(
            f"scanner.classifier={path} was fitted to {model.widths} features a trigger and this "
            f"search has {widths}; fit it anew with these scanner.shapes"
        )
    with torch.no_grad():
        logit = model([each[None].cpu() for each in features])
    return float(torch.sigmoid(logit))
