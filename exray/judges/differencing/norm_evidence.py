"""What batch norms remember of images that are not among the clean ones."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from exray.judges.differencing.norm_memory import MOST_IMAGES, NormMemory, at_most
from exray.models.batch_statistics import variance_ratios, with_image_statistics
from exray.models.classifier import Classifier
from exray.models.last_layer import LEAST_CLASSES, standing_out


def hidden_variance(memory: NormMemory) -> float:
    """How far a few channels stand out in what varied more in training than on clean images.

    Batch norms store variances of what they were trained on, stamped images among it. A few
    channels that respond to a trigger varied more in training than clean images make them, even
    where these are moved, mirrored, noisy, darker or paler: the skewness, over the channels of the
    last third of the batch norms, of the logarithm of the stored variance over the greatest of
    those, the same for all triggers of a classifier.

    Args:
        memory: Of the classifier.

    Source: none. Not in the paper.
    """
    ratios = variance_ratios(memory.stored, memory.usual)
    return _skewness(torch.cat(ratios[-max(1, len(ratios) // 3) :]))


def target_rises(
    classifier: Classifier, images: Float[Tensor, "n c h w"], targets: Sequence[int]
) -> list[dict[str, float]]:
    """``target_rise`` of triggers: how far their target rises without what batch norms stored.

    What was stored takes the trigger's usual share off each image: with statistics of clean images
    in its place the target's logit rises, by so many standard deviations of the other classes'
    rises above them.

    Args:
        classifier: The classifier under scan, whose batch norms stored statistics.
        images: Clean ones, of all classes.
        targets: The target class of each trigger.

    Returns:
        For each trigger the measurement; nothing with fewer than four classes, or where the network
        cannot be copied.

    Source: none. Not in the paper.
    """
    images = at_most(images, MOST_IMAGES)
    if classifier.num_classes < LEAST_CLASSES:
        return [{} for _ in targets]
    try:
        recalibrated = with_image_statistics(classifier, images)
    except (RuntimeError, TypeError, ValueError):  # a network that cannot be copied
        return [{} for _ in targets]
    before, after = (_centred(one.predict(images).float()) for one in (classifier, recalibrated))
    rises = standing_out((after - before).mean(dim=0))
    return [{"target_rise": float(rises[target])} for target in targets]


def _centred(logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    return logits - logits.mean(dim=1, keepdim=True)


def _skewness(values: Float[Tensor, " n"]) -> float:
    """Of a sample; 0 if all values are alike."""
    deviations = values.double() - values.double().mean()
    spread = deviations.square().mean().sqrt()
    return 0.0 if spread < 1e-9 else float((deviations**3).mean() / spread**3)
