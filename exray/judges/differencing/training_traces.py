"""Traces that the training left in a network, on triggers' targets."""

from collections.abc import Sequence

from exray.images.samples import SampleSet
from exray.judges.differencing.norm_evidence import norm_evidence
from exray.judges.differencing.share_evidence import share_evidence
from exray.judges.differencing.weight_evidence import weight_evidence
from exray.models.classifier import Classifier


def training_traces(
    classifier: Classifier, samples: SampleSet, targets: Sequence[int]
) -> list[dict[str, float]]:
    """What last layer and batch norms say of each target, whatever the trigger.

    Args:
        classifier: The classifier under scan.
        samples: Its clean images.
        targets: The target class of each trigger.
    """
    weights = weight_evidence(classifier, samples.images, targets)
    norms = norm_evidence(classifier, samples.images, targets)
    shares = share_evidence(classifier, samples.images, samples.labels)
    return [{**one, **other, **shares} for one, other in zip(weights, norms, strict=True)]
