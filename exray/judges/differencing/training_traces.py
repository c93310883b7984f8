"""Traces that the training left in a network, of triggers and of their targets."""

from collections.abc import Sequence

from exray.images.samples import SampleSet
from exray.judges.differencing.norm_evidence import hidden_variance, target_rises
from exray.judges.differencing.norm_memory import NormMemory
from exray.judges.differencing.share_evidence import share_evidence
from exray.judges.differencing.stamped_share import stamped_evidence
from exray.judges.differencing.weight_evidence import weight_evidence
from exray.models.classifier import Classifier
from exray.triggers.base import InvertedTrigger


def training_traces(
    classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
) -> list[dict[str, float]]:
    """What last layer and batch norms say of each trigger; less where a network lacks these.

    Args:
        classifier: The classifier under scan.
        samples: Its clean images.
        triggers: From and to classes that have images.
    """
    targets = [one.target_class for one in triggers]
    weights = weight_evidence(classifier, samples.images, targets)
    memory = NormMemory.of(classifier, samples.images, samples.labels)
    if memory is None:
        return weights
    whole = {"hidden_variance": hidden_variance(memory)}
    whole |= share_evidence(memory, classifier.num_classes)
    rises = target_rises(classifier, samples.images, targets)
    stamped = stamped_evidence(memory, classifier, samples, triggers)
    rows = zip(weights, rises, stamped, strict=True)
    return [{**weight, **whole, **rise, **share} for weight, rise, share in rows]
