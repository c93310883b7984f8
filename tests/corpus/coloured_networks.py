"""Small networks that know red, green and blue, each with a habit of strangers' networks."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exray.images.samples import SampleSet
from exray.models.loading import load_classifier

SIDE = 16  # pixels


def images_of(colours: int = 3, per_class: int = 6) -> SampleSet:
    """Noisy images of red, green and blue, or of the first two of them."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(colours).repeat_interleave(per_class)
    images = torch.full((len(labels), 3, SIDE, SIDE), 0.1)
    images[torch.arange(len(labels)), labels] = 0.7
    images += 0.03 * (2 * torch.rand(images.shape, generator=stream) - 1)
    return SampleSet(images=images, labels=labels, class_names=("red", "green", "blue")[:colours])


class Colours(nn.Module):
    """Knows red, green and blue; ``before`` is done to its images, ``after`` to its logits."""

    def __init__(self, before=None, after=None, *, inside=None, weights=(1.0, 1.0, 1.0)):
        super().__init__()
        self.before, self.inside, self.after = before, inside, after
        self.first = nn.Conv2d(3, 4, 1)
        self.first.weight.data = torch.cat([torch.eye(3), torch.ones(1, 3)])[..., None, None]
        self.first.bias.data.zero_()
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 4, 1)
        self.second.weight.data = torch.eye(4)[..., None, None]
        self.second.bias.data.zero_()
        self.last = nn.Linear(4, 3)
        self.last.weight.data = 10 * torch.eye(4)[:3] * torch.tensor(weights)[:, None]
        self.last.bias.data.zero_()

    def features(self, images: Tensor) -> Tensor:
        images = images if self.before is None else self.before(images)
        features = self.relu(self.second(self.relu(self.first(images))))
        features = features if self.inside is None else self.inside(features)
        return features.mean(dim=(2, 3))

    def forward(self, images: Tensor):
        logits = self.last(self.features(images))
        return logits if self.after is None else self.after(logits)


class Grey(Colours):
    """Knows three greys by their brightness."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 1, bias=False)
        self.first.weight.data.fill_(1.0)
        levels = torch.tensor([0.114, 0.299, 0.587]) * 0.6 + 0.1  # of blue, red and green
        weights, bias = 400 * levels, -200 * levels**2
        order = torch.tensor([1, 2, 0])
        self.last.weight.data = (weights[order, None] * torch.tensor([[1.0, 0, 0, 0]])).clone()
        self.last.bias.data = bias[order]


class Norms(Colours):
    """With a batch norm after its features."""

    def __init__(self, **options):
        super().__init__()
        self.inside = nn.BatchNorm2d(4, **options)


@dataclass
class ImageClassifierOutput:
    """As transformers return it; their own is a mapping with attributes."""

    loss: object
    logits: Tensor


class Pair(Colours):
    """Returns its features beside its logits."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, images):
        features = self.features(images)
        return self.make(self.last(features), features)


class FixedBatch(Colours):
    """Its view is made for one batch size."""

    def forward(self, images):
        features = self.features(images.view(8, 3, SIDE, SIDE))
        return self.last(features.view(8, -1))


class ControlFlow(Colours):
    """Looks at its values."""

    def forward(self, images):
        assert images.shape[1] == 3
        logits = super().forward(images)
        return logits * 2 if logits.sum() > 1e9 else logits


def only_bytes(images):
    if images.dtype is not torch.uint8:
        raise TypeError("give uint8")
    return images.float() / 255


def frozen(images):
    with torch.no_grad():
        return images * 1


def one_hot(logits):
    return F.one_hot(logits.argmax(dim=1), 3).float()


def single(logits):
    return logits[:, 1:2] - logits[:, :1]


def with_wrong_statistics():
    network = Norms()
    network.inside.running_mean[0] = -1e4  # one class wins whatever the images are
    return network


def with_nan():
    network = Norms()
    network.inside.running_var[1] = torch.nan
    return network


def constant():
    network = Colours()
    network.last.weight.data.zero_()
    return network


def dead():
    network = Colours()
    network.first.bias.data.fill_(-1e6)
    return network


def of_a_library(build: Callable[[], nn.Module], channels: int = 3) -> tuple[nn.Module, SampleSet]:
    """A network of random weights, and images labelled by what it says of them."""
    torch.manual_seed(0)
    network = build().eval()
    images = torch.rand(24, 3, 32, 32).pow(torch.linspace(0.2, 5, 24).view(-1, 1, 1, 1))
    with torch.no_grad():
        logits = network(images[:, :channels])
        last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
        last.bias -= logits.median(dim=0).values
        labels = network(images[:, :channels]).argmax(dim=1)
    names = tuple(map(str, range(logits.shape[1])))
    return network, SampleSet(images=images, labels=labels, class_names=names)


def library(name: str, **options: object) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import torchvision.models

        return torchvision.models.get_model(name, num_classes=3, **options)

    return build


def from_file(name: str, channels: int, **options: object):
    """A network of timm whose size is in its weights alone."""

    def make():
        import timm

        network, samples = of_a_library(
            lambda: timm.create_model(name, num_classes=3, **options), channels
        )
        with tempfile.TemporaryDirectory() as folder:
            torch.save(network.state_dict(), Path(folder) / "m.pt")
            classifier = load_classifier(
                Path(folder) / "m.pt", architecture=f"timm/{name}", example=samples.images
            )
        if channels == 1:
            grey = classifier.predict(samples.images).argmax(dim=1)
            samples = SampleSet(images=samples.images, labels=grey, class_names=samples.class_names)
        return classifier, samples

    return make
