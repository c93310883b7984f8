"""A small network of grey images."""

from torch import nn

from exray.models.architectures.layers import ChannelMean, conv_norm_relu

SIDE = 28  # pixels of the images that it is made for


def grey_cnn(num_classes: int) -> nn.Sequential:
    """The mean of the colours, three convolutions, pooling to 3 x 3 and two linear layers."""
    return nn.Sequential(
        ChannelMean(),
        conv_norm_relu(1, 16),
        nn.MaxPool2d(2),
        conv_norm_relu(16, 32),
        nn.MaxPool2d(2),
        conv_norm_relu(32, 64),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(9 * 64, 48),
        nn.ReLU(),
        nn.Linear(48, num_classes),
    )
