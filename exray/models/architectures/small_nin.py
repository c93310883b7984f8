"""A small network of Network-in-Network's form."""

from torch import nn

from exray.models.architectures.layers import conv_norm_relu

SIDE = 32  # pixels of the images that it is made for


def small_nin(num_classes: int) -> nn.Sequential:
    """Three blocks of a wide and a 1x1 convolution; the last one's channels are the logits.

    Source: Lin et al. 2013. *Differs from the paper:* which has two 1x1 convolutions in each block,
    wider ones, and no batch norm.
    """
    return nn.Sequential(
        conv_norm_relu(3, 32, kernel=5, stride=2),
        conv_norm_relu(32, 32, kernel=1),
        nn.MaxPool2d(2),
        conv_norm_relu(32, 64),
        conv_norm_relu(64, 64, kernel=1),
        nn.Dropout(0.1),
        conv_norm_relu(64, 96),
        nn.Conv2d(96, num_classes, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
