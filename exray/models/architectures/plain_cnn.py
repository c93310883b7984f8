"""A plain convolutional network."""

from torch import nn

from exray.models.architectures.layers import conv_norm_relu

SIDE = 32  # pixels of the images that it is made for


def plain_cnn(num_classes: int) -> nn.Sequential:
    """Four convolutions with pooling between, global pooling and one linear layer."""
    return nn.Sequential(
        conv_norm_relu(3, 16),
        nn.MaxPool2d(2),
        conv_norm_relu(16, 32),
        nn.MaxPool2d(2),
        conv_norm_relu(32, 64),
        nn.MaxPool2d(2),
        conv_norm_relu(64, 64),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, num_classes),
    )
