"""Networks that take so many images at a time and no other number."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class FixedBatch(nn.Module):
    """A network of one batch size, for any number of images.

    They are given to it in batches of its size, the last of which is filled up with zeros.

    Args:
        network: Returns a row for each image of its batch.
        batch_size: Images that it takes at a time.
        takes_multiples: Whether it takes any multiple of the batch size at once.

    Raises:
        ValueError: If the batch size is not positive.

    Example:
        >>> class OfTwo(nn.Module):
        ...     def forward(self, images):
        ...         return images.view(2, -1)
        >>> FixedBatch(OfTwo(), 2)(torch.arange(3.0).reshape(3, 1))
        tensor([[0.],
                [1.],
                [2.]])
    """

    def __init__(
        self, network: nn.Module, batch_size: int, *, takes_multiples: bool = False
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be >= 1; got {batch_size}")
        self.network = network
        self.batch_size = batch_size
        self.takes_multiples = takes_multiples

    def around(self, network: nn.Module) -> "FixedBatch":
        """Another network, given its batches as this one is.

        Args:
            network: Takes the same numbers of images.
        """
        return FixedBatch(network, self.batch_size, takes_multiples=self.takes_multiples)

    def forward(self, images: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """What the network gives for the images."""
        count = len(images)
        rows = filled(images, self.batch_size)
        at_a_time = len(rows) if self.takes_multiples else self.batch_size
        outputs = [self.network(batch) for batch in torch.split(rows, at_a_time)]
        return torch.cat(outputs)[:count]


def around(network: nn.Module, wrapper: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A network in a wrapper; inside its batches where it is given batches of one size.

    Args:
        network: Any.
        wrapper: Makes a module that runs the one it is given.

    Example:
        >>> around(FixedBatch(nn.ReLU(), 2), nn.Sequential)
        FixedBatch(
          (network): Sequential(
            (0): ReLU()
          )
        )
    """
    if isinstance(network, FixedBatch):
        return network.around(wrapper(network.network))
    return wrapper(network)


def filled(images: Float[Tensor, "n ..."], batch_size: int) -> Float[Tensor, "m ..."]:
    """The images with zeros after them, to the next multiple of a batch size and at least one.

    Args:
        images: Any number.
        batch_size: The number that must divide them.

    Example:
        >>> filled(torch.ones(3, 1), 2).flatten().tolist()
        [1.0, 1.0, 1.0, 0.0]
    """
    missing = -len(images) % batch_size if len(images) else batch_size
    if not missing:
        return images
    padding = [0] * (2 * (images.dim() - 1)) + [0, missing]
    return F.pad(images, padding)
