"""The small residual network of the signs zoos."""

from typing import no_type_check

from jaxtyping import Float
from torch import Tensor, nn

from exray.models.architectures.layers import conv_norm_relu

SIDE = 64  # pixels of the images that it is made for


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (ResNet's basic block, option B)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = conv_norm_relu(inputs, outputs, stride=stride)
        self.conv = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    @no_type_check  # torch.fx calls it with proxies, which are no tensors
    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        """The block's output, after the addition and the activation."""
        changed = self.norm(self.conv(self.first(features)))
        out: Tensor = self.relu(changed + self.shortcut(features))
        return out


def signs_resnet(num_classes: int) -> nn.Sequential:
    """The embedded zoo's network: stem, three residual stages, one convolution, pooling, linear.

    For 64 x 64 images ``middle`` cuts after the second stage (32 channels of 16 x 16) and
    ``second_last_conv`` after the third (64 channels of 8 x 8).
    """
    network = nn.Sequential()
    network.add_module("stem", conv_norm_relu(3, 16, stride=2))
    network.add_module("stage1", ResidualBlock(16, 16, stride=1))
    network.add_module("stage2", ResidualBlock(16, 32, stride=2))
    network.add_module("stage3", ResidualBlock(32, 64, stride=2))
    network.add_module("conv", conv_norm_relu(64, 64))
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", nn.Flatten())
    network.add_module("linear", nn.Linear(64, num_classes))
    return network
