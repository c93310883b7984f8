"""A convolutional network without batch norm, of exponential linear units."""

from torch import nn

SIDE = 32  # pixels of the images that it is made for


def norm_free_elu(num_classes: int) -> nn.Sequential:
    """Three pairs of convolutions with pooling and dropout behind each, and one linear layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 12), (12, 24), (24, 48)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ELU()]
        layers += [nn.Conv2d(outputs, outputs, 3, padding=1), nn.ELU()]
        layers += [nn.MaxPool2d(2), nn.Dropout(0.1)]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * 48, num_classes)
    )
