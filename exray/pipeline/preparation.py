"""A classifier made ready for a scan: checked, with a gradient, its logits on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exray.images.geometry import ImageFiles
from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.straight_through import with_gradient
from exray.pipeline.preprocessing_trials import Trial, clear_winner, preprocessing_trials
from exray.pipeline.sample_selection import SampleSelection, select_samples
from exray.pipeline.settings import ScanSettings
from exray.text import some

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


def prepare(
    classifier: Classifier,
    samples: SampleSet,
    settings: ScanSettings,
    *,
    files: ImageFiles | None = None,
) -> Preparation:
    """The classifier and the images as scanner and judge see them.

    A network without a gradient to its images gets one where it only rounds, casts or detaches
    (:class:`exray.models.straight_through.StraightThrough`). Where it gets too many images wrong,
    or most of those of a quarter of the classes, other ways to read them are tried, and what makes
    it right is said.

    Args:
        classifier: As it was loaded.
        samples: Its clean images, on its device.
        settings: Minimum accuracies, sample counts and temperature.
        files: Where the images can be read again; None where they come from memory.
    """
    selection = select_samples(classifier, samples, settings)
    if selection.is_misread:
        trials = preprocessing_trials(classifier, samples, files=files)
        reason = _explained(selection, trials, samples, settings.min_clean_accuracy)
        selection = replace(selection, trials=trials, inconclusive=reason)
    elif selection.is_doubtful:
        selection = _doubted(selection, preprocessing_trials(classifier, samples, files=files))
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


def _doubted(selection: SampleSelection, trials: tuple[Trial, ...]) -> SampleSelection:
    """The selection with a remark where another way to read the images is clearly right."""
    winner = clear_winner(trials, at_least=selection.accuracy)
    if winner is None or winner.classes or not winner.changes:
        return selection
    remark = (
        f"clean accuracy is {selection.accuracy:.2f}, and with {winner.text} it is "
        f"{winner.accuracy:.2f} on {winner.num_images} images: {winner.advice(())}, and scan again"
    )
    return replace(selection, trials=trials, remarks=(remark, *selection.remarks))


def _explained(
    selection: SampleSelection, trials: Sequence[Trial], samples: SampleSet, minimum: float
) -> str:
    """Why accuracy is low and what to do, as far as a trial tells."""
    winner = clear_winner(trials, at_least=minimum)
    if winner is not None:
        equal = [t.text for t in trials if t is not winner and t.equals(winner)]
        return (
            f"{selection.fault or f'clean accuracy {selection.accuracy:.2f} is under {minimum}'}; "
            f"with {winner.text} it is {winner.accuracy:.2f} on {winner.num_images} images: "
            f"{winner.advice(samples.class_names)}{f'; as good: {some(equal, 2)}' if equal else ''}"
        )
    if selection.fault:
        return selection.fault
    best = next((trial for trial in trials if trial.text), None)
    if best is None:
        return selection.inconclusive
    return (
        f"{selection.inconclusive}; none of {len(trials) - 1} other ways to read the images makes "
        f"it right (the best, {best.text}: {best.accuracy:.2f})"
    )
