"""A small residual network for small images."""

from torch import nn

from exray.models.architectures.layers import conv_norm_relu
from exray.models.architectures.signs_resnet import ResidualBlock

SIDE = 32  # pixels of the images that it is made for


def small_resnet(num_classes: int) -> nn.Sequential:
    """A stem, three residual stages of which two halve the image, pooling and one linear layer."""
    return nn.Sequential(
        conv_norm_relu(3, 12),
        nn.MaxPool2d(2),
        ResidualBlock(12, 16, stride=1),
        ResidualBlock(16, 32, stride=2),
        ResidualBlock(32, 64, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, num_classes),
    )
