"""A convolutional network without batch norm, as tutorials have it."""

from torch import nn

SIDE = 32  # pixels of the images that it is made for


def norm_free_cnn(num_classes: int) -> nn.Sequential:
    """Four convolutions with pooling behind the last three, and two linear layers with dropout."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU()]
    for inputs, outputs in ((16, 16), (16, 32), (32, 48)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(16 * 48, 64),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(64, num_classes),
    )
