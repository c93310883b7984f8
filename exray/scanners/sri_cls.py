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
from exray.scanners.sri import SriRe, searched

_TROJANED = 0.5  # probability from which the scanner alone says trojaned


class SriCls(FileScanner):
    """SRI-CLS: the triggers of ``SriRe``; what they look like decides, by a fit on another zoo.

    The scanner's score is the fit's calibrated probability; it says trojaned from one half on. The
    fit sees the first shape's triggers, those that give ``SriRe`` its score.

    Args:
        name: Recorded as the triggers' source.
        search: Whose search is run, as when the file was fitted; without an economy.
        classifier: File of the fit, by ``task=fit``.

    Raises:
        ValueError: If the search is cut short.

    Source: SRI Trinity (facts, section 4); EX-RAY, section 4, SRI-CLS. *Differs from the released
    code:* the fit sees two numbers a patch, averaged over the later half of its search, rather than
    all checkpoints, and no recolourings.
    """

    def __init__(self, *, name: str, search: SriRe, classifier: str) -> None:
        if search.search.economy is not None:
            raise ValueError("scanner.search.engine.economy must be null: a fit sees every search")
        self.name = name
        self.search = search.search
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
        probability = trojan_probability(model, [torch.stack(found.looks)], self.path)
        return found.result(probability, flags=probability >= _TROJANED)

    def features(
        self, classifier: Classifier, samples: SampleSet
    ) -> tuple[Float[Tensor, "s _"], ...]:
        """What a fit sees of a classifier: its triggers' looks, of one shape.

        Args:
            classifier: What is searched.
            samples: Clean images.
        """
        found = searched(classifier, samples, self.search, name=self.name, progress=None)
        return (torch.stack(found.looks),)


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
