"""What a classifier's true triggers do, where they are known, on images that no repair saw."""

from dataclasses import dataclass, replace

import torch

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.zoo.attack_tests import AttackTest
from exray.zoo.poisoning import LabelledImages
from exray.zoo.training import hit_rate


@dataclass(frozen=True, kw_only=True)
class TrueFigures:
    """How well a classifier does on test images, and its true triggers.

    Args:
        accuracy: Of clean test images, a fraction.
        asr: Of all true triggers together, a fraction; None for a clean classifier.
    """

    accuracy: float
    asr: float | None


def true_figures(classifier: Classifier, test: AttackTest) -> TrueFigures:
    """Accuracy and ASR on test images.

    Args:
        classifier: Before or after a repair.
        test: The images.
    """
    network = classifier.network
    asr = None
    if test.stamped:
        images = torch.cat([stamped.images for stamped in test.stamped])
        labels = torch.cat([stamped.labels for stamped in test.stamped])
        asr = hit_rate(network, LabelledImages(images=images, labels=labels))
    return TrueFigures(accuracy=hit_rate(network, test.clean), asr=asr)


def unseen(test: AttackTest, samples: SampleSet) -> AttackTest:
    """The test without clean images that are among others.

    Args:
        test: The test.
        samples: Images that a repair has seen, as decoded bytes in [0, 1].
    """
    seen = {image.numpy().tobytes() for image in (samples.images.cpu() * 255).round().byte()}
    keep = torch.tensor([image.numpy().tobytes() not in seen for image in test.clean.images])
    clean = LabelledImages(images=test.clean.images[keep], labels=test.clean.labels[keep])
    return replace(test, clean=clean)
