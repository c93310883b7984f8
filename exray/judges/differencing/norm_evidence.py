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
_REACH = 8  # images are moved by up to their side divided by it
_NOISE = 0.03  # standard deviation


def norm_evidence(
    classifier: Classifier, images: Float[Tensor, "n c h w"], targets: Sequence[int]
) -> list[dict[str, float]]:
    """``hidden_variance`` and ``target_rise`` of triggers; nothing for networks without batch norm.

    Batch norms store means and variances of what they were trained on, stamped images among it. A
    few channels that respond to a trigger varied more in training than clean images make them, even
    where these are moved, mirrored, noisy, darker or paler, as trainings usually change them:
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
        fewer than eight images; the rise is left out with fewer than four classes, or where the
        network cannot be copied.

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
    try:
        recalibrated = with_image_statistics(classifier, images)
    except (RuntimeError, TypeError, ValueError):  # a network that cannot be copied
        return [hidden for _ in targets]
    before, after = (_centred(one.predict(images).float()) for one in (classifier, recalibrated))
    rises = standing_out((after - before).mean(dim=0))
    return [{**hidden, "target_rise": float(rises[target])} for target in targets]


def _usual_changes(images: Float[Tensor, "n c h w"]) -> Iterator[Float[Tensor, "n c h w"]]:
    """The images, and the same as trainings usually change them, always by the same draws."""
    stream = torch.Generator().manual_seed(0)
    yield images
    yield _moved(images, "constant", stream)  # black moves in from beyond the rim
    yield _moved(images, "replicate", stream)  # or the rim
    yield images.flip(3)
    noise = torch.randn(images.shape, generator=stream).to(images)
    yield (images + _NOISE * noise).clamp(0, 1)
    yield (images * _factors(images, stream)).clamp(0, 1)
    means = images.mean(dim=(2, 3), keepdim=True)
    yield (means + _factors(images, stream) * (images - means)).clamp(0, 1)


def _moved(
    images: Float[Tensor, "n c h w"], mode: str, stream: torch.Generator
) -> Float[Tensor, "n c h w"]:
    """Each image moved by up to an eighth of its side along both axes."""
    height, width = images.shape[-2:]
    down, right = max(1, height // _REACH), max(1, width // _REACH)
    padded = F.pad(images, (right, right, down, down), mode=mode)
    tops = torch.randint(0, 2 * down + 1, (len(images),), generator=stream).tolist()
    lefts = torch.randint(0, 2 * right + 1, (len(images),), generator=stream).tolist()
    return torch.stack(
        [
            image[:, top : top + height, left : left + width]
            for image, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )


def _factors(images: Float[Tensor, "n c h w"], stream: torch.Generator) -> Float[Tensor, "n 1 1 1"]:
    """One for each image, of brightness or of contrast."""
    return (0.6 + 0.8 * torch.rand(len(images), 1, 1, 1, generator=stream)).to(images)


def _centred(logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    return logits - logits.mean(dim=1, keepdim=True)


def _skewness(values: Float[Tensor, " n"]) -> float:
    """Of a sample; 0 if all values are alike."""
    deviations = values.double() - values.double().mean()
    spread = deviations.square().mean().sqrt()
    return 0.0 if spread < 1e-9 else float((deviations**3).mean() / spread**3)
