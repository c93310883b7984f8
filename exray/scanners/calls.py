"""How images go through a network fastest: how many at once, and how they lie in memory."""

import torch
from jaxtyping import Float
from torch import Tensor

from exray.models.splitting import SplitClassifier

_CPU_PIXELS = 1 << 17  # 32 images of 64 x 64, whose activations a core's cache nearly holds
_GPU_PIXELS = 1 << 25


def pixels_per_call(device: torch.device) -> int:
    """Pixels that a forward and backward pass takes at once.

    Args:
        device: Where the images are.

    Example:
        >>> pixels_per_call(torch.device("cpu")) // 64**2
        32
    """
    return _CPU_PIXELS if device.type == "cpu" else _GPU_PIXELS


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
