"""Fits a stranger's network to what exray works with: RGB images in, logits of classes out."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.models.classifier import Preprocessing
from exray.models.fixed_batch import FixedBatch, around
from exray.models.input_fit import first_fit
from exray.models.output_selection import SelectedOutput, TwoLogits
from exray.models.outputs import evaluating, without_final_activation

_INFLUENCE = 1e-3  # of the logits' spread
_ROUNDING = 1e-5  # of the largest logit
_INFLUENCED = (
    "an image's logits depend on the other images of its batch, as where a network normalises by "
    "batch statistics in eval mode, too"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class AdaptedNetwork:
    """A network that takes what a preprocessing makes of RGB images, and returns logits.

    Args:
        network: The network, wrapped where it had to be.
        preprocessing: With the channels and the layout that the network takes.
        num_classes: Number of logits.
        remarks: What the user should know about the fit, one sentence each.
    """

    network: nn.Module
    preprocessing: Preprocessing
    num_classes: int
    remarks: tuple[str, ...]


def adapted(
    network: nn.Module, preprocessing: Preprocessing, images: Float[Tensor, "n c h w"]
) -> AdaptedNetwork:
    """A network with what stands between it and RGB images on one side, logits on the other.

    Ways to give it images are tried until one works: as they are; its weights in the images' type
    of number, or the images in its own; one channel or four; channels last; bytes; batches of one
    size. Then the logits are looked for in what it returns, a final softmax or sigmoid is taken
    off, and a single number becomes two logits.

    Args:
        network: In eval mode; run, and wrapped or copied where that is needed.
        preprocessing: As the user told it; its channels are found where they are ``auto``.
        images: A few in [0, 1] at the network's size, at least one.

    Raises:
        ValueError: If the network runs in none of these ways, or returns no numbers for each image.

    Example:
        >>> _ = torch.manual_seed(0)  # whose logits are no probabilities by chance
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1))
        >>> fit = adapted(network.eval(), Preprocessing(), torch.rand(4, 3, 8, 8))
        >>> fit.preprocessing.channels, fit.num_classes, len(fit.remarks)
        ('grey', 2, 2)
    """
    fit, place = first_fit(network, preprocessing, images)
    inputs = fit.preprocessing(images)
    chosen = fit.network
    if place.path or not place.is_flat or place.dtype != images.dtype:
        chosen = SelectedOutput(chosen, place, images.dtype).eval()
    if fit.batch_size is not None:
        chosen = FixedBatch(chosen, fit.batch_size, takes_multiples=fit.takes_multiples).eval()
    bare, source = without_final_activation(chosen, inputs)
    remarks = [*fit.remarks, *place.remarks, *([source.remark] if source.remark else [])]
    if place.outputs_per_image == 1:
        bare = around(bare, TwoLogits)
        threshold = "0.5" if source.remark else "0"
        remarks.append(
            f"the network returns one number for each image: class 1 where it is above {threshold},"
            " else class 0"
        )
    if _depends_on_batch(bare.eval(), inputs):
        remarks.append(_INFLUENCED)
    return AdaptedNetwork(
        network=bare.eval(),
        preprocessing=fit.preprocessing,
        num_classes=max(2, place.outputs_per_image),
        remarks=tuple(remarks),
    )


def _depends_on_batch(network: nn.Module, inputs: Float[Tensor, "n ..."]) -> bool:
    """Whether other images in its batch change an image's logits, which a second run does not."""
    others = torch.cat([inputs[:1], inputs[1:].flip(-1) / 2])
    with evaluating(network):
        logits, again, beside_others = (network(batch) for batch in (inputs, inputs, others))
    bound = _INFLUENCE * _spread(logits) + _ROUNDING * float(logits.abs().max())
    is_random = float((logits - again).abs().max()) > bound
    return not is_random and float((logits[0] - beside_others[0]).abs().max()) > bound


def _spread(logits: Float[Tensor, "n k"]) -> float:
    return float((logits.amax(dim=0) - logits.amin(dim=0)).max())
