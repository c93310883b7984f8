"""Batch sizes and memory layouts with which images pass through a network fastest."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from exray.models.splitting.split_classifier import SplitClassifier

_CPU_PIXELS = 1 << 18  # 64 images of 64 x 64: more exceed the cache, fewer cost more calls
_GPU_PIXELS = 1 << 25


def pixels_per_call(device: torch.device) -> int:
    """Number of pixels that a forward and backward pass takes at once.

    Args:
        device: The images' device.

    Example:
        >>> pixels_per_call(torch.device("cpu")) // 64**2
        64
    """
    return _CPU_PIXELS if device.type == "cpu" else _GPU_PIXELS


def in_even_parts(places: Sequence[int], most: int) -> list[list[int]]:
    """As few parts as ``most`` allows, in order and of sizes that differ by one at most.

    Args:
        places: The indices to divide.
        most: Greatest size of a part, at least 1.

    Example:
        >>> in_even_parts(range(6), 5)
        [[0, 1, 2], [3, 4, 5]]
    """
    count = -(-len(places) // most)
    edges = [part * len(places) // count for part in range(count + 1)] if count else []
    return [list(places[start:end]) for start, end in pairwise(edges)]


@torch.no_grad()
def fastest_layout(split: SplitClassifier, images: Float[Tensor, "n c h w"]) -> torch.memory_format:
    """Channels last if the network accepts it, which spares convolutions a reordering.

    Some networks flatten features with ``view``, which refuses that memory layout.

    Args:
        split: The classifier.
        images: At least one image.
    """
    try:
        split.logits(split.features(images[:1].contiguous(memory_format=torch.channels_last)))
    except RuntimeError:
        return torch.contiguous_format
    return torch.channels_last


class Stack:
    """Stacks images in memory that it reuses, since new memory costs more than the copy.

    Example:
        >>> stack = Stack()
        >>> images = [torch.zeros(4, 3, 8, 8), torch.ones(4, 3, 8, 8)]
        >>> stack.of(images).shape
        torch.Size([2, 4, 3, 8, 8])
    """

    def __init__(self) -> None:
        self._memory = torch.empty(0)
        self._images: list[Tensor] = []
        self._together = self._memory

    def of(
        self, images: Sequence[Float[Tensor, "m c h w"]], *, reuse: bool = False
    ) -> Float[Tensor, "p m c h w"]:
        """The images stacked, in their own memory layout; valid until the next call.

        Args:
            images: One batch per candidate, all of one shape and one memory layout.
            reuse: Returns the last result if it was of the same tensors. Only allowed where neither
                they nor the result were changed since.
        """
        same_length = len(images) == len(self._images)
        if reuse and same_length and all(a is b for a, b in zip(images, self._images, strict=True)):
            return self._together
        channels_last = images[0].is_contiguous(memory_format=torch.channels_last)
        parts = [batch.permute(0, 2, 3, 1) for batch in images] if channels_last else list(images)
        if self._memory.shape[1:] != parts[0].shape or len(self._memory) < len(parts):
            self._memory = parts[0].new_empty(len(parts), *parts[0].shape)
        stacked = torch.stack(parts, out=self._memory[: len(parts)])
        self._together = stacked.permute(0, 1, 4, 2, 3) if channels_last else stacked
        self._images = list(images)
        return self._together
