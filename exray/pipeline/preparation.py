"""A classifier made ready for a scan: checked, with a gradient, its logits on one scale."""

from dataclasses import dataclass, replace

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.straight_through import with_gradient
from exray.pipeline.sample_selection import SampleSelection, select_samples
from exray.pipeline.settings import ScanSettings

_EXAMPLES = 8  # images on which a gradient is looked for
STRAIGHT_THROUGH = (
    "the network gives no gradient by itself: it rounds, casts or detaches; "
    "gradients pass straight through these steps"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Preparation:
    """What a scan works with.

    Args:
        classifier: Tempered, and differentiable unless the selection is inconclusive.
        selection: The images, and what was noticed.
    """

    classifier: Classifier
    selection: SampleSelection


def prepare(classifier: Classifier, samples: SampleSet, settings: ScanSettings) -> Preparation:
    """The classifier and the images as scanner and judge see them.

    A network without a gradient to its images gets one where it only rounds, casts or detaches
    (:class:`exray.models.straight_through.StraightThrough`).

    Args:
        classifier: As it was loaded.
        samples: Its clean images, on its device.
        settings: Minimum accuracies, sample counts and temperature.
    """
    selection = select_samples(classifier, samples, settings)
    if selection.samples is None:
        return Preparation(classifier=classifier, selection=selection)
    usable = selection.samples.images
    examples = usable[:: max(1, len(usable) // _EXAMPLES)][:_EXAMPLES]
    differentiable = with_gradient(classifier, examples)
    if differentiable is None:
        reason = "the network gives no gradient to its images, so that no trigger can be inverted"
        selection = replace(selection, samples=None, inconclusive=reason, temperature=1.0)
        return Preparation(classifier=classifier, selection=selection)
    if differentiable is not classifier:
        selection = replace(selection, remarks=(*selection.remarks, STRAIGHT_THROUGH))
    tempered = differentiable.tempered(selection.temperature)
    return Preparation(classifier=tempered, selection=selection)
