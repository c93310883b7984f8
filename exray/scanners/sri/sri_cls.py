"""SRI's trigger search with the classifier of classifiers that SRI trains on a zoo."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import FileScanner, Progress, ScannerResult
from exray.scanners.sri.set_classifier import SetClassifier, read_set_classifier
from exray.scanners.sri.sri_re import SearchResult, SriRe, searched
from exray.scanners.validation import nothing_to_scan
from exray.triggers.base import InvertedTrigger

SHIPPED = Path(__file__).with_name("sri_cls.safetensors")
FEATURES = ("asr", "probability", "log_size", "log_oddity", "flip", "log_mass")
"""What a fit may look at, of each of the first shape's triggers.

Of the hardened trigger: its ASR, its target's mean probability, the logarithm of its share of the
image, and ``log(1 + probability / sqrt(share))``. Of its search's later half: the mean loss, as
log-odds, and the logarithm of a patch's mean opacity, which recolourings do not have.
"""

_TROJANED = 0.5  # probability from which the scanner alone says trojaned


class SriCls(FileScanner):
    """SRI-CLS: the triggers of ``SriRe``; what they look like decides, by a fit on another zoo.

    The scanner's score is the fit's calibrated probability; it says trojaned from one half on. The
    fit sees the first shape's triggers, those that give ``SriRe`` its score.

    Args:
        search: Whose search is run, as when the file was fitted; without an economy.
        classifier: File of the fit, by ``task=fit``; None for the one shipped with exray.

    Raises:
        ValueError: If the search is cut short.

    Source: SRI Trinity (facts, section 4); EX-RAY, section 4, SRI-CLS. *Differs from the released
    code:* the fit sees a few numbers a patch, of the hardened one too, rather than all checkpoints
    of its search, and no recolourings.
    """

    name: ClassVar[str] = "sri_cls"  # recorded as the triggers' source

    def __init__(self, *, search: SriRe, classifier: str | None) -> None:
        if search.search.economy is not None:
            raise ValueError("scanner.search.engine.economy must be null: a fit sees every search")
        self.search = search.search
        self.path = SHIPPED if classifier is None else Path(classifier)

    def fingerprint(self) -> str:
        """Hash of the fit.

        Raises:
            ValueError: If the file is no fit.
        """
        read_set_classifier(self.path)
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """The strongest triggers of each victim, and how likely a trojan their looks make.

        Raises:
            ValueError: If the file is no fit, or looks at what this search does not have.
        """
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        model = read_set_classifier(self.path)
        found = searched(classifier, samples, self.search, name=self.name, progress=progress)
        probability = trojan_probability(model, features(found, samples), self.path)
        return found.result(probability, flags=probability >= _TROJANED)

    def features(self, classifier: Classifier, samples: SampleSet) -> Float[Tensor, "s f"]:
        """What a fit may see of a classifier: the looks of its triggers, of the first shape.

        Args:
            classifier: What is searched, for the first shape alone.
            samples: Clean images.
        """
        first = replace(self.search, shapes=self.search.shapes[:1])
        return features(
            searched(classifier, samples, first, name=self.name, progress=None), samples
        )


def features(found: SearchResult, samples: SampleSet) -> Float[Tensor, "s f"]:
    """As many of ``FEATURES`` as the first shape has, a row for each of its triggers.

    Args:
        found: What was searched.
        samples: The images it was searched on.
    """
    area = samples.images.shape[-2] * samples.images.shape[-1]
    hardened = torch.tensor([_hardened(each, area) for each in found.first])
    return torch.cat([hardened, torch.stack(found.looks).cpu()], dim=1)


def _hardened(trigger: InvertedTrigger, area: int) -> tuple[float, float, float, float]:
    """The first four features of one trigger; a patch without pixels counts as one of one."""
    share = max(trigger.trigger.size_pixels, 1.0) / area
    probability = trigger.target_probability
    oddity = math.log1p(probability / share**0.5)
    return trigger.asr, probability, math.log(share), oddity


def chosen(seen: Float[Tensor, "*n f"], names: Sequence[str]) -> Float[Tensor, "*n g"]:
    """The features of those names.

    Args:
        seen: All features of triggers, in the order of ``FEATURES``.
        names: Which, and in which order.

    Raises:
        ValueError: If there is no such feature, or this shape does not have it.

    Example:
        >>> chosen(torch.tensor([[0.5, 0.25, -3.0, 2.0]]), ["log_size", "asr"])
        tensor([[-3.0000,  0.5000]])
    """
    there = FEATURES[: seen.shape[-1]]
    for name in names:
        if name not in there:
            raise ValueError(
                f"the fit looks at {name!r} of each trigger, and this search's first shape has: "
                f"{', '.join(there)}"
            )
    return seen[..., [there.index(name) for name in names]]


def trojan_probability(model: SetClassifier, seen: Float[Tensor, "s f"], path: Path) -> float:
    """The fit's probability for one classifier.

    Args:
        model: The fit.
        seen: All features of the classifier's triggers.
        path: The fit's file, for the message.

    Raises:
        ValueError: If the fit looks at what was not seen.
    """
    try:
        own = chosen(seen, model.features)
    except ValueError as error:
        raise ValueError(
            f"scanner.classifier={path}: {error}; fit it anew with these scanner.shapes"
        ) from error
    with torch.no_grad():
        logit = model(own[None])
    return float(torch.sigmoid(logit))
