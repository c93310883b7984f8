"""A small network of VGG's form."""

from torch import nn

from exray.models.architectures.layers import conv_norm_relu

SIDE = 32  # pixels of the images that it is made for


def small_vgg(num_classes: int) -> nn.Sequential:
    """Three pairs of convolutions with pooling behind each, and two linear layers."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 12), (12, 24), (24, 48)):
        layers += [conv_norm_relu(inputs, outputs), conv_norm_relu(outputs, outputs)]
        layers += [nn.MaxPool2d(2)]
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 48, 64),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(64, num_classes),
    )
