"""How images go through a network fastest: how many at once, and how they lie in memory."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from exray.models.splitting import SplitClassifier

_CPU_PIXELS = 1 << 18  # 64 images of 64 x 64: more fit no cache, fewer calls cost less beside
_GPU_PIXELS = 1 << 25


def pixels_per_call(device: torch.device) -> int:
    """Pixels that a forward and backward pass takes at once.

    Args:
        device: Where the images are.

    Example:
        >>> pixels_per_call(torch.device("cpu")) // 64**2
        64
    """
    return _CPU_PIXELS if device.type == "cpu" else _GPU_PIXELS


def in_even_parts(places: Sequence[int], most: int) -> list[list[int]]:
    """As few parts as ``most`` allows, in order and of sizes that differ by one at most.

    Args:
        places: What is shared out.
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
    """Channels last where the network takes images so, which spares convolutions a reordering.

    Some networks' code flattens features with ``view``, which refuses that order in memory.

    Args:
        split: The classifier.
        images: Any one image of it.
    """
    try:
        split.head(split.features(images[:1].contiguous(memory_format=torch.channels_last)))
    except RuntimeError:
        return torch.contiguous_format
    return torch.channels_last
