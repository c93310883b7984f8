"""What batch norms remember of images that are not among the clean ones."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
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
_REACH = 8  # images are moved by their side divided by it


def norm_evidence(
    classifier: Classifier, images: Float[Tensor, "n c h w"], targets: Sequence[int]
) -> list[dict[str, float]]:
    """``hidden_variance`` and ``target_rise`` of triggers; nothing for networks without batch norm.

    Batch norms store means and variances of what they were trained on, stamped images among it. A
    few channels that respond to a trigger varied more in training than clean images make them, even
    where these are moved, mirrored, darker, brighter or paler, as trainings usually change them:
    ``hidden_variance`` is the skewness, over the channels of the last third of the batch norms, of
    the logarithm of the stored variance over the greatest of those, the same for all triggers of a
    classifier. And what was stored takes the trigger's usual share off each image: with statistics
    of clean images in its place the target's logit rises. ``target_rise`` is by how many standard
    deviations of the other classes' rises its own lies above them.

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
    ratios = variance_ratios(classifier, list(_usual_changes(images)))
    late = torch.cat(ratios[-max(1, len(ratios) // 3) :])
    hidden = {"hidden_variance": _skewness(late)}
    if classifier.num_classes < LEAST_CLASSES:
        return [hidden for _ in targets]
    recalibrated = with_image_statistics(classifier, images)
    before, after = (_centred(one.predict(images).float()) for one in (classifier, recalibrated))
    rises = standing_out((after - before).mean(dim=0))
    return [{**hidden, "target_rise": float(rises[target])} for target in targets]


def _usual_changes(images: Float[Tensor, "n c h w"]) -> Iterator[Float[Tensor, "n c h w"]]:
    """The images, and the same as trainings usually change them; the same whatever their order."""
    yield images
    yield images.flip(3)
    height, width = images.shape[-2:]
    down, right = max(1, height // _REACH), max(1, width // _REACH)
    for mode in ("constant", "replicate"):  # black beyond the rim, or the rim
        padded = F.pad(images, (right, right, down, down), mode=mode)
        yield padded[..., :height, :width]
        yield padded[..., 2 * down :, 2 * right :]
    for brightness in (0.7, 1.3):
        yield (images * brightness).clamp(0, 1)
    means = images.mean(dim=(2, 3), keepdim=True)
    yield means + 0.7 * (images - means)


def _centred(logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    return logits - logits.mean(dim=1, keepdim=True)


def _skewness(values: Float[Tensor, " n"]) -> float:
    """Of a sample; 0 if all values are alike."""
    deviations = values.double() - values.double().mean()
    spread = deviations.square().mean().sqrt()
    return 0.0 if spread < 1e-9 else float((deviations**3).mean() / spread**3)
