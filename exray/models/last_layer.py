"""The last layer of weights: which it is, and how the classes' rows of it compare."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.models.classifier import Classifier

LEAST_CLASSES = 4  # fewer have too few others to stand out from
_GREATEST = 10.0  # deviations; beyond it all that is said is that one class is unlike the others


@torch.no_grad()
def last_linear(
    network: nn.Module, images: Float[Tensor, "n c h w"]
) -> nn.Linear | nn.Conv2d | None:
    """The last linear layer or 1 x 1 convolution that runs; None if there is none.

    Args:
        network: In eval mode.
        images: As the network takes them.
    """
    called: list[nn.Linear | nn.Conv2d] = []

    def record(module: nn.Module, *_: object) -> None:
        assert isinstance(module, nn.Linear | nn.Conv2d)
        called.append(module)

    layers = [
        module
        for module in network.modules()
        if isinstance(module, nn.Linear)
        or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1))
    ]
    handles = [layer.register_forward_hook(record) for layer in layers]
    try:
        network(images)
    finally:
        for handle in handles:
            handle.remove()
    return called[-1] if called else None


def class_weights(
    classifier: Classifier, images: Float[Tensor, "n c h w"]
) -> Float[Tensor, "k d"] | None:
    """A row of weights for each class, without what all rows share, of root mean square 1.

    What all rows share changes no prediction, and the scale of the logits none either.

    Args:
        classifier: The classifier under scan.
        images: At least one, in [0, 1].

    Returns:
        The rows; None where the last layer of weights is not one of the classes, as in a network
        without modules, or where all rows are alike.
    """
    layer = last_linear(classifier.network, classifier.preprocessing(images[:1]))
    if layer is None or (isinstance(layer, nn.Conv2d) and layer.groups > 1):
        return None
    rows = layer.weight.detach().float().flatten(1)
    if len(rows) != classifier.num_classes:
        return None
    rows = rows - rows.mean(dim=0)
    scale = rows.square().mean().sqrt()
    return rows / scale if scale > 0 else None


def standing_out(values: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """By how many standard deviations of the other values each lies above their mean.

    Args:
        values: One for each class, at least four.

    Returns:
        Within -10 and 10.

    Raises:
        ValueError: If there are fewer than four.

    Example:
        >>> standing_out(torch.tensor([0.0, 1.0, 2.0, 4.0])).tolist()[-1]
        3.0
    """
    if len(values) < LEAST_CLASSES:
        raise ValueError(f"values must be of {LEAST_CLASSES} classes or more; got {len(values)}")
    count = len(values) - 1
    values = values.double()
    means = (values.sum() - values) / count
    squares = ((values[None, :] - means[:, None]) ** 2).fill_diagonal_(0).sum(dim=1)
    deviations = (squares / (count - 1)).sqrt()
    outlying = (values - means) / deviations.clamp(min=1e-12)
    return outlying.clamp(-_GREATEST, _GREATEST)
