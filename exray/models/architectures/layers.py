"""Layers that several of our own networks are made of."""

from typing import no_type_check

from jaxtyping import Float
from torch import Tensor, nn


def conv_norm_relu(
    inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution without bias, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class ChannelMean(nn.Module):
    """The mean of the colours, for networks of grey images."""

    @no_type_check  # torch.fx calls it with proxies, which are no tensors
    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 h w"]:
        """Images of one channel."""
        return images.mean(dim=1, keepdim=True)
