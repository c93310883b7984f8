"""Which clean images a scan can use, by the classifier's accuracy on them."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.faults import network_fault
from exray.models.temperature import fitted_temperature, is_usable
from exray.pipeline.preprocessing_trials import Trial
from exray.pipeline.settings import ScanSettings

_MISREAD = (
    "the preprocessing is probably wrong (scaling, mean, std, size, crop), or images and classes "
    "do not match"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleSelection:
    """The images a scan can use.

    Args:
        samples: The images; None if the classifier cannot be scanned.
        accuracy: The clean accuracy on all images, a fraction.
        remarks: What was left out and why, one sentence each.
        inconclusive: Why the classifier cannot be scanned; empty where it can.
        unsearched: Why finding no injected trigger means nothing; empty where it does.
        temperature: What the classifier's logits are to be divided by; 1 where it is not fitted.
        fault: What is wrong with the network's outputs, whichever images are chosen; empty for
            nothing.
        is_misread: Whether it cannot be scanned and gets too many images wrong.
        is_doubtful: Whether it can be, but gets a quarter of the classes mostly wrong.
        trials: Other ways to read the images that were tried for that reason, best first.
    """

    samples: SampleSet | None
    accuracy: float
    remarks: tuple[str, ...]
    inconclusive: str = ""
    unsearched: str = ""
    temperature: float = 1.0
    fault: str = ""
    is_misread: bool = False
    is_doubtful: bool = False
    trials: tuple[Trial, ...] = ()


def select_samples(
    classifier: Classifier, samples: SampleSet, settings: ScanSettings
) -> SampleSelection:
    """The images a scan can use, after checks of the network and its clean accuracy.

    Misclassified images are left out, or kept if the settings say so, and so are classes that the
    classifier mostly gets wrong. No samples are selected if the network is broken, the accuracy is
    below its minimum, or fewer than two classes with enough images remain.

    Args:
        classifier: The classifier to be scanned.
        samples: Its clean images.
        settings: The minimum accuracies, the numbers of images per class, the temperature.
    """
    logits = classifier.predict(samples.images)
    is_right = logits.argmax(dim=1) == samples.labels
    accuracy = float(is_right.double().mean())
    refused = _refused(classifier, samples, logits, accuracy, settings)
    if refused is not None:
        return refused
    weak = _weak_classes(samples, is_right, settings.min_class_accuracy)
    keeps_all = settings.misclassified == "keep"
    usable = samples.select(_usable_rows(samples, is_right | keeps_all, weak))
    if settings.samples_per_class is not None:
        usable = usable.limited(settings.samples_per_class)
    temperature = 1.0
    if settings.temperature == "fitted":
        temperature = fitted_temperature(logits, samples.labels, is_right)
    reason = _shortage(usable, settings)
    if not reason and not is_usable(temperature):
        reason = "the logits of most clean images' own classes do not exceed the others"
    return SampleSelection(
        samples=None if reason else usable,
        accuracy=accuracy,
        remarks=_remarks(
            [samples.class_names[index] for index in weak],
            is_right,
            "used all the same" if keeps_all else "not used",
        ),
        inconclusive=reason,
        unsearched=_unsearched(samples, logits),
        is_doubtful=not reason and 4 * len(weak) >= sum(count > 0 for count in samples.counts()),
        temperature=1.0 if reason else temperature,
    )


def _refused(
    classifier: Classifier,
    samples: SampleSet,
    logits: Float[Tensor, "n k"],
    accuracy: float,
    settings: ScanSettings,
) -> SampleSelection | None:
    """Why no image can be used, whichever are chosen; None where some can."""
    reason = _too_few_classes(samples)
    if reason:
        return SampleSelection(samples=None, accuracy=accuracy, remarks=(), inconclusive=reason)
    fault = network_fault(classifier, samples.images, logits)
    is_misread = accuracy < settings.min_clean_accuracy
    if not fault and not is_misread:
        return None
    low = f"clean accuracy {accuracy:.2f} is under {settings.min_clean_accuracy}; {_MISREAD}"
    return SampleSelection(
        samples=None,
        accuracy=accuracy,
        remarks=(),
        inconclusive=fault or low,
        fault=fault,
        is_misread=is_misread,
    )


def _too_few_classes(samples: SampleSet) -> str:
    """Why the images are of too few classes; empty where they are not."""
    num_present = sum(count > 0 for count in samples.counts())
    if num_present >= 2:
        return ""
    what = "of one class alone" if num_present else "none"
    return f"the clean images are {what}; a scan needs those of at least two classes"


def _shortage(usable: SampleSet, settings: ScanSettings) -> str:
    """Which images are too few; empty if two classes have enough."""
    minimum = settings.min_images_per_class
    if settings.samples_per_class is not None:
        minimum = min(minimum, settings.samples_per_class)
    if sum(count > 0 for count in usable.counts()) < 2:
        return "fewer than two classes have an image classified right"
    if sum(count >= minimum for count in usable.counts()) < 2:
        return (
            f"fewer than two classes have {minimum} images classified right; what a trigger does "
            "to fewer images means little"
        )
    return ""


def _unsearched(samples: SampleSet, logits: Float[Tensor, "n k"]) -> str:
    """Which classes with images are never predicted, so that no scanner looks for them."""
    predicted = set(logits.argmax(dim=1).tolist())
    classes = sorted(set(samples.labels.tolist()) - predicted)
    if not classes:
        return ""
    names = ", ".join(samples.class_names[index] for index in classes)
    many = len(classes) > 1
    return (
        f"class{'es' if many else ''} {names} {'are' if many else 'is'} never predicted on clean "
        "images, so no trigger to or from there was looked for"
    )


def _weak_classes(samples: SampleSet, is_right: Bool[Tensor, " n"], minimum: float) -> list[int]:
    """Classes with images of which less than a share is classified right."""
    return [
        index
        for index, count in enumerate(samples.counts())
        if count and float(is_right[samples.labels == index].double().mean()) < minimum
    ]


def _usable_rows(
    samples: SampleSet, allowed: Bool[Tensor, " n"], weak: list[int]
) -> Bool[Tensor, " n"]:
    """The allowed images of all classes but the weak ones."""
    return allowed & ~torch.isin(samples.labels, samples.labels.new_tensor(weak))


def _remarks(weak: list[str], is_right: Bool[Tensor, " n"], use: str) -> tuple[str, ...]:
    """What was left out, or used although it is misclassified."""
    remarks = []
    if weak:
        remarks.append(f"classes {', '.join(weak)} are mostly misclassified and were left out")
    num_wrong = int((~is_right).sum())
    if num_wrong:
        remarks.append(f"{num_wrong} of {len(is_right)} images are misclassified, {use}")
    return tuple(remarks)
