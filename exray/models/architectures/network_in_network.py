"""Network-in-Network."""

from torch import nn

SIDE = 32  # pixels of the images that it is made for


def network_in_network(num_classes: int) -> nn.Sequential:
    """Network-in-Network for 32 x 32 images: three blocks of one wide and two 1x1 convolutions.

    Nine convolutions without normalisation need He's initialisation: at torch's own the logits
    hardly depend on the image and training stays at chance.

    Source: Lin et al. 2013, CIFAR-10 model; EX-RAY, section 4.4.
    """

    def block(widths: tuple[int, int, int, int], kernel: int) -> list[nn.Module]:
        kernels = (kernel, 1, 1)
        layers: list[nn.Module] = []
        for size, inputs, outputs in zip(kernels, widths[:3], widths[1:], strict=True):
            layers += [nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.ReLU()]
        return layers

    network = nn.Sequential(
        *block((3, 192, 160, 96), 5),
        nn.MaxPool2d(3, 2, 1),
        nn.Dropout(0.5),
        *block((96, 192, 192, 192), 5),
        nn.AvgPool2d(3, 2, 1),
        nn.Dropout(0.5),
        *block((192, 192, 192, num_classes), 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return network
