"""What enters the last layers of a network, for attacks that work on features."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn


class EnteringFeatures:
    """Features of images, and the logits of the images that were seen last.

    Args:
        network: In eval mode.
        per_place: Whether features are those of every place, or their means over the places.
    """

    def __init__(self, network: nn.Module, *, per_place: bool = False) -> None:
        self.network = network
        self.per_place = per_place
        self.entering: list[Tensor] = []
        self.logits = next(network.parameters()).new_zeros(0)

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n f"]:
        """What enters the layer."""
        self.entering.clear()
        self.logits = self.network(images)
        entering = self.entering[0]
        if entering.ndim == 4 and not self.per_place:
            return entering.mean(dim=(2, 3))
        return entering.flatten(1)


@contextmanager
def entering_features(
    network: nn.Module, count: int, *, per_place: bool = False
) -> Iterator[EnteringFeatures]:
    """The features that enter the last layers of weights, so many, within.

    Args:
        network: In eval mode.
        count: How many layers.
        per_place: Whether features are those of every place, or their means over the places.

    Raises:
        ValueError: If it has not so many.
    """
    layers = [
        layer for layer in network.modules() if any(True for _ in layer.parameters(recurse=False))
    ]
    if count > len(layers):
        raise ValueError(f"the network has {len(layers)} layers of weights; got {count}")
    features = EnteringFeatures(network, per_place=per_place)
    hook = layers[-count].register_forward_pre_hook(
        lambda _, inputs: features.entering.append(inputs[0])
    )
    try:
        yield features
    finally:
        hook.remove()
