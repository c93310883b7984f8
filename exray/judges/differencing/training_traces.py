"""Traces that the training left in a network, on triggers' targets."""

from collections.abc import Sequence

from exray.images.samples import SampleSet
from exray.judges.differencing.norm_evidence import norm_evidence
from exray.judges.differencing.weight_evidence import weight_evidence
from exray.models.classifier import Classifier
from exray.triggers.base import InvertedTrigger


def training_traces(
    classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
) -> list[dict[str, float]]:
    """What last layer and batch norms say of each trigger's target, whatever the trigger.

    Args:
        classifier: The classifier under scan.
        samples: Its clean images.
        triggers: Those that are judged.
    """
    return traces_of_targets(classifier, samples, [one.target_class for one in triggers])


def traces_of_targets(
    classifier: Classifier, samples: SampleSet, targets: Sequence[int]
) -> list[dict[str, float]]:
    """The same of target classes.

    Args:
        classifier: The classifier under scan.
        samples: Its clean images.
        targets: Target classes.
    """
    both = (
        evidence(classifier, samples.images, targets)
        for evidence in (weight_evidence, norm_evidence)
    )
    return [{**weights, **norms} for weights, norms in zip(*both, strict=True)]
