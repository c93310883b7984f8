"""Which clean images a scan can use, by the classifier's accuracy on them."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.temperature import fitted_temperature, is_usable
from exray.pipeline.settings import ScanSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleSelection:
    """The images a scan can use.

    Args:
        samples: The images; None if there are too few, or the clean accuracy is too low.
        accuracy: The clean accuracy on all images, a fraction.
        remarks: What was left out and why, one sentence each.
        inconclusive: Why the classifier cannot be scanned; empty where it can.
        temperature: What the classifier's logits are to be divided by; 1 where it is not fitted.
    """

    samples: SampleSet | None
    accuracy: float
    remarks: tuple[str, ...]
    inconclusive: str = ""
    temperature: float = 1.0


def select_samples(
    classifier: Classifier, samples: SampleSet, settings: ScanSettings
) -> SampleSelection:
    """The images a scan can use, after a check of the clean accuracy.

    Misclassified images are left out, or kept if the settings say so, and so are classes that the
    classifier mostly gets wrong. No samples are selected if the accuracy is below its minimum, or
    fewer than two classes remain.

    Args:
        classifier: The classifier to be scanned.
        samples: Its clean images.
        settings: The minimum accuracies and the number of images per class.

    Raises:
        ValueError: If the classifier returns NaN or infinity.
    """
    logits = classifier.predict(samples.images)
    if not torch.isfinite(logits).all():
        raise ValueError(f"{classifier.name} returns NaN or infinity on clean images")
    is_right = logits.argmax(dim=1) == samples.labels
    accuracy = float(is_right.double().mean())
    if accuracy < settings.min_clean_accuracy:
        reason = (
            f"clean accuracy {accuracy:.2f} is under {settings.min_clean_accuracy}; the "
            "preprocessing is probably wrong (scaling, mean, std, size, crop), or images and "
            "classes do not match"
        )
        return SampleSelection(samples=None, accuracy=accuracy, remarks=(), inconclusive=reason)
    weak = _weak_classes(samples, is_right, settings.min_class_accuracy)
    keeps_all = settings.misclassified == "keep"
    remarks = _remarks(weak, is_right, "used all the same" if keeps_all else "not used")
    usable = samples.select(_usable_rows(samples, is_right | keeps_all, weak))
    if settings.samples_per_class is not None:
        usable = usable.limited(settings.samples_per_class)
    reason, temperature = "", 1.0
    if settings.temperature == "fitted":
        temperature = fitted_temperature(logits, samples.labels, is_right)
    if sum(count > 0 for count in usable.counts()) < 2:
        reason = "fewer than two classes have an image classified right"
    elif not is_usable(temperature):
        reason = "the logits of most clean images' classes do not exceed the others"
    else:
        return SampleSelection(
            samples=usable, accuracy=accuracy, remarks=remarks, temperature=temperature
        )
    return SampleSelection(samples=None, accuracy=accuracy, remarks=remarks, inconclusive=reason)


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


def _remarks(weak: list[int], is_right: Bool[Tensor, " n"], use: str) -> tuple[str, ...]:
    """What was left out, or used although it is misclassified."""
    remarks = []
    if weak:
        names = ", ".join(map(str, weak))
        remarks.append(f"classes {names} are mostly misclassified and were left out")
    num_wrong = int((~is_right).sum())
    if num_wrong:
        remarks.append(f"{num_wrong} of {len(is_right)} images are misclassified, {use}")
    return tuple(remarks)
