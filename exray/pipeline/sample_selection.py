"""Which clean images a scan can use, after a look at the clean accuracy."""

import torch

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.pipeline.settings import ScanSettings


def usable_samples(
    classifier: Classifier, samples: SampleSet, settings: ScanSettings
) -> tuple[SampleSet | None, float, list[str]]:
    """The images a scan can use, the clean accuracy, and remarks.

    Misclassified images are left out (or kept, as the settings say), and so are classes the
    classifier mostly gets wrong. None instead of samples if the accuracy is under its bar, or
    fewer than two classes remain.

    Raises:
        ValueError: If the classifier returns NaN or infinity.
    """
    logits = classifier.predict(samples.images)
    if not torch.isfinite(logits).all():
        raise ValueError(f"{classifier.name} returns NaN or infinity on clean images")
    hits = logits.argmax(dim=1) == samples.labels
    accuracy = float(hits.double().mean())
    remarks: list[str] = []
    if accuracy < settings.min_clean_accuracy:
        remarks.append(
            f"inconclusive: clean accuracy {accuracy:.2f} is under {settings.min_clean_accuracy}; "
            "the preprocessing is probably wrong (dataset.preprocess.*), or images and classes do "
            "not match"
        )
        return None, accuracy, remarks
    keeps = settings.misclassified == "keep"
    kept = torch.ones_like(hits) if keeps else hits.clone()
    weak = []
    for index, count in enumerate(samples.counts()):
        rows = samples.labels == index
        if count and float(hits[rows].double().mean()) < settings.min_class_accuracy:
            weak.append(index)
            kept &= ~rows
    if weak:
        remarks.append(
            f"classes {', '.join(map(str, weak))} are mostly misclassified and were left out"
        )
    if not hits.all():
        fate = "used all the same" if keeps else "not used"
        remarks.append(f"{int((~hits).sum())} of {len(samples)} images are misclassified, {fate}")
    usable = samples.select(kept)
    if settings.samples_per_class is not None:
        usable = usable.limited(settings.samples_per_class)
    if sum(count > 0 for count in usable.counts()) < 2:
        remarks.append("inconclusive: fewer than two classes have an image classified right")
        return None, accuracy, remarks
    return usable, accuracy, remarks
