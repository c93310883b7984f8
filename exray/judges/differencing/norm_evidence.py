"""What batch norms remember of images that are not among the clean ones."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from exray.models.batch_statistics import (
    stores_statistics,
    variance_ratios,
    with_image_statistics,
)
from exray.models.classifier import Classifier
from exray.models.last_layer import LEAST_CLASSES, standing_out

_MOST_IMAGES = 512  # that statistics are taken of
_LEAST_IMAGES = 8


def norm_evidence(
    classifier: Classifier, images: Float[Tensor, "n c h w"], targets: Sequence[int]
) -> list[dict[str, float]]:
    """``hidden_variance`` and ``target_rise`` of triggers; nothing for networks without batch norm.

    Batch norms store means and variances of what they were trained on, stamped images among it. A
    few channels that respond to a trigger varied more in training than clean images make them:
    ``hidden_variance`` is the skewness, over all channels, of the logarithm of the stored variance
    over that of clean images, the same for all triggers of a classifier. And what was stored takes
    the trigger's usual share off each image: with statistics of clean images in its place the
    target's logit rises. ``target_rise`` is by how many standard deviations of the other classes'
    rises its own lies above them.

    Args:
        classifier: The classifier under scan.
        images: Clean ones, of all classes.
        targets: The target class of each trigger.

    Returns:
        For each trigger its measurements; empty without batch norms that store statistics, or with
        fewer than eight images; the rise is left out with fewer than four classes.

    Source: none. Not in the paper.
    """
    images = images[:: -(-len(images) // _MOST_IMAGES) or 1]
    if len(images) < _LEAST_IMAGES or not stores_statistics(classifier.network):
        return [{} for _ in targets]
    hidden = {"hidden_variance": _skewness(variance_ratios(classifier, images))}
    if classifier.num_classes < LEAST_CLASSES:
        return [hidden for _ in targets]
    recalibrated = with_image_statistics(classifier, images)
    before, after = (_centred(one.predict(images).float()) for one in (classifier, recalibrated))
    rises = standing_out((after - before).mean(dim=0))
    return [{**hidden, "target_rise": float(rises[target])} for target in targets]


def _centred(logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    return logits - logits.mean(dim=1, keepdim=True)


def _skewness(values: Float[Tensor, " n"]) -> float:
    """Of a sample; 0 if all values are alike."""
    deviations = values.double() - values.double().mean()
    spread = deviations.square().mean().sqrt()
    return 0.0 if spread < 1e-9 else float((deviations**3).mean() / spread**3)
