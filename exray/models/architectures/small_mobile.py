"""A small network of depthwise convolutions."""

from torch import nn

from exray.models.architectures.layers import conv_norm_relu

SIDE = 32  # pixels of the images that it is made for


def small_mobile(num_classes: int) -> nn.Sequential:
    """A stem that halves the image, five depthwise pairs, pooling and one linear layer.

    Source: Howard et al. 2017, MobileNet's depthwise separable convolutions.
    """

    def pair(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        return [
            conv_norm_relu(inputs, inputs, stride=stride, groups=inputs),
            conv_norm_relu(inputs, outputs, kernel=1),
        ]

    return nn.Sequential(
        conv_norm_relu(3, 24, stride=2),
        *pair(24, 48, 1),
        *pair(48, 64, 2),
        *pair(64, 64, 1),
        *pair(64, 96, 2),
        *pair(96, 96, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, num_classes),
    )
