"""A small network of grey images, of LeNet's form."""

from torch import nn

from exray.models.architectures.layers import ChannelMean

SIDE = 28  # pixels of the images that it is made for


def grey_lenet(num_classes: int) -> nn.Sequential:
    """The mean of the colours, two convolutions with pooling behind each, two linear layers."""
    return nn.Sequential(
        ChannelMean(),
        nn.Conv2d(1, 12, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(5),
        nn.Flatten(),
        nn.Linear(24 * 25, 64),
        nn.ReLU(),
        nn.Linear(64, num_classes),
    )
