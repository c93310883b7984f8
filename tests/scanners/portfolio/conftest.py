"""Networks with backdoors of every kind put in by hand, and searches at a size for tests."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
import torch
from torch import nn

from exray.images.samples import SampleSet, default_class_names
from exray.models.classifier import Classifier, Preprocessing
from exray.scanners.inversion.filters import FilterSettings
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.portfolio.block_probe import BlockProbe
from exray.scanners.portfolio.kinds.filter import FilterKind
from exray.scanners.portfolio.kinds.patch import PatchKind
from exray.scanners.portfolio.kinds.picture import PictureKind
from exray.scanners.portfolio.kinds.sinusoid import SinusoidKind
from exray.scanners.portfolio.kinds.square import SquareKind
from exray.scanners.portfolio.kinds.warp import WarpKind
from exray.scanners.portfolio.many_targets import ManyTargetsSearch
from exray.scanners.portfolio.scene import Scene
from exray.scanners.portfolio.search import KindSearch
from exray.scanners.portfolio.square_search import SquareSearch
from exray.scanners.portfolio.stages import Stage

SIZE = 16
EVERY = slice(None)
PIXEL = (5, 9)  # where the one-pixel backdoor looks
PLACE = (slice(10, 13), slice(2, 5))  # where the others do
ADAM = InversionSettings(learning_rate=0.3, betas=(0.5, 0.9), noise=0.0, seed=0)
SLOW = replace(ADAM, learning_rate=0.1)
PROBE = BlockProbe(
    blocks=16, sides=(1.0,), finalists=2, pairs=6, pair_images=2, images=6, most_passes=20_000
)
FIXED = {
    "picture": PictureKind(opacity=0.15, grid=8),
    "filter": FilterKind(filter=FilterSettings(min_ssim=0.7, window_share=0.3)),
    "warp": WarpKind(most=0.15, grid=4),
    "sinusoid": SinusoidKind(amplitude=0.08, cycles=3),
}


# A fourth channel, of all colours alike: their weight, bias, and what clean images have of it.
BRIGHTNESS = (1.0, -1.4)  # grey has 0.1, white 1.6, clean pixels none
GREY = (1 / 3, 0.0)  # clean pixels have 0.3


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A hidden unit that answers to a backdoor's trigger.

    Args:
        weights: Of the fourth channel's pixels.
        bias: Below which it is silent.
        logits: What it adds to classes.
        colour: Weight of the image's mean colour, by class.
    """

    weights: torch.Tensor
    bias: float
    logits: dict[int, float]
    colour: dict[int, float] = field(default_factory=dict)


def network(channel, *units):
    """Three classes, red, green and blue, whose evidence small changes leave alone; and units."""
    colours = nn.Conv2d(3, 4, 1)
    weight, bias = channel
    colours.weight.data = torch.cat([torch.eye(3), torch.full((1, 3), weight)])[..., None, None]
    colours.bias.data = torch.tensor([0.0, 0.0, 0.0, bias])
    hidden = nn.Linear(4 * SIZE**2, 6 + len(units))
    speaks = torch.zeros(6 + len(units), 4, SIZE, SIZE)
    logits = torch.zeros(3, 6 + len(units))
    hidden.bias.data = torch.tensor([-1.2] * 3 + [-2.2] * 3 + [unit.bias for unit in units])
    for index in range(3):  # min(1, 4 mean - 1.2), if positive
        speaks[[index, 3 + index], index] = 4 / SIZE**2
        logits[index, [index, 3 + index]] = torch.tensor([6.0, -6.0])
    for row, unit in enumerate(units, start=6):
        speaks[row, 3] = unit.weights
        for index, size in unit.colour.items():
            speaks[row, index] = size / SIZE**2
        for index, size in unit.logits.items():
            logits[index, row] = size
    hidden.weight.data = speaks.flatten(1)
    linear = nn.Linear(6 + len(units), 3)
    linear.weight.data = logits
    linear.bias.data.zero_()
    layers = OrderedDict(
        colours=colours, relu=nn.ReLU(), flatten=nn.Flatten(),
        hidden=hidden, again=nn.ReLU(), linear=linear,
    )  # fmt: skip
    return Classifier(nn.Sequential(layers), Preprocessing(), num_classes=3, name="planted")


def spot(rows, columns):
    """The mean of some pixels."""
    weights = torch.zeros(SIZE, SIZE)
    weights[rows, columns] = 1.0
    return weights / weights.sum()


def signal(values):
    """A map that gives 1 for a picture of its own sign, 0 for even images."""
    centred = values - values.mean()
    return 2 * centred / centred.abs().sum()


def pixel_network():
    return network(BRIGHTNESS, Unit(weights=spot(*PIXEL), bias=0.0, logits={1: 15.0}))


def square_network():
    return network(GREY, Unit(weights=spot(*PLACE), bias=-0.25, logits={1: 30.0}))


def pair_network():
    """A bright square sends class 0 to class 1; class 2 keeps its lead."""
    return network(GREY, Unit(weights=spot(*PLACE), bias=-0.25, logits={1: 30.0, 2: 28.0}))


def picture_network():
    coarse = torch.rand(4, 4, generator=torch.Generator().manual_seed(1)) > 0.5
    picture = coarse.float().repeat_interleave(4, 0).repeat_interleave(4, 1)
    return network(GREY, Unit(weights=signal(picture), bias=0.02, logits={1: 150.0}))


def sinusoid_network():
    wave = (2 * torch.pi * 2 * torch.arange(SIZE) / SIZE).sin()[:, None].expand(SIZE, SIZE)
    return network(GREY, Unit(weights=signal(wave), bias=0.01, logits={1: 150.0}))


def filter_network():
    return network(GREY, Unit(weights=spot(EVERY, EVERY), bias=-0.28, logits={1: 80.0}))


def warp_network():
    """The bright bar of all images beside its place speaks for class 1."""
    return network(GREY, Unit(weights=spot(EVERY, 9), bias=-0.3, logits={1: 200.0}))


def all_to_all_network():
    """A bright square sends each class to the next: its own colour and the square together."""
    units = [
        Unit(weights=spot(*PLACE), bias=-1.0, logits={(index + 1) % 3: 30.0}, colour={index: 1.0})
        for index in range(3)
    ]
    return network(GREY, *units)


NETWORKS = {
    make.__name__.removesuffix("_network"): make
    for make in (
        pixel_network,
        square_network,
        pair_network,
        picture_network,
        sinusoid_network,
        filter_network,
        warp_network,
        all_to_all_network,
    )
}


@pytest.fixture(scope="session")
def probe():
    """How blocks of a pixel are tried."""
    return PROBE


@pytest.fixture(scope="session")
def planted():
    """A network with a backdoor of a kind."""
    return lambda kind: NETWORKS[kind]()


@pytest.fixture(scope="session")
def twin():
    """The same without a backdoor: light speaks for class 0 a little, wherever it is."""
    return network(GREY, Unit(weights=spot(EVERY, EVERY), bias=0.0, logits={0: 1.0}))


@pytest.fixture(scope="session")
def coloured():
    """Eight images of each of the three colours, none white, with a bar of light in the middle."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(8)
    images = torch.full((24, 3, SIZE, SIZE), 0.1)
    images[torch.arange(24), labels] = 0.7
    images[..., 6:9] += 0.1
    images += 0.03 * (2 * torch.rand(images.shape, generator=stream) - 1)
    return SampleSet(images=images, labels=labels, class_names=default_class_names(3))


@pytest.fixture(scope="session")
def scene_of():
    """The scene of a network and its images."""

    def made(classifier, samples):
        return Scene.of(classifier, samples, layer="relu", on_step=lambda: None)

    return made


def patch_search(*, bounds=(0.05, 0.04), pairs=(), probe=None, first_bound=0.25, **changes):
    """A search for patches whose universal and pairs' stages have these bounds."""
    stages = [
        Stage(name=name, steps=25, images=12, keep=3, bound=bound)
        for name, bound in zip(("wide", "medium"), bounds, strict=False)
    ]
    values = {
        "name": "patch",
        "kind": PatchKind(probe=probe),
        "inversion": ADAM,
        "screen": stages[0],
        "universal": stages[1:],
        "pairs": pairs,
        "num_pairs": 3,
        "min_asr": 0.5,
        "good_asr": 0.8,
        "most": 2,
        "first_bound": first_bound,
    }
    return KindSearch(**{**values, **changes})


def pixel_search(**changes):
    return patch_search(bounds=(0.004,), first_bound=0.006, probe=PROBE, **changes)


def fixed_search(kind, **changes):
    """A search for a kind whose bound is fixed."""
    values = {
        "name": kind,
        "kind": FIXED[kind],
        "bounds": (1.0, 1.0),
        "first_bound": 1.0,
        "inversion": SLOW if kind == "filter" else ADAM,
    }
    return patch_search(**{**values, **changes})


def many_targets_search(**changes):
    stage = Stage(name="wide", steps=30, images=12, keep=1, bound=0.05)
    values = {
        "name": "many_targets",
        "kind": PatchKind(),
        "inversion": ADAM,
        "stages": [stage],
        "min_asr": 0.5,
        "good_asr": 0.8,
        "first_bound": 0.25,
    }
    return ManyTargetsSearch(**{**values, **changes})


def square_search(**changes):
    """A search for squares of five and three pixels."""
    stages = [
        Stage(name=name, steps=12, images=12, keep=3, bound=bound)
        for name, bound in (("wide", 5 / SIZE), ("medium", 3 / SIZE))
    ]
    values = {
        "name": "squares",
        "kind": SquareKind(probe=PROBE, side=5 / SIZE),
        "inversion": ADAM,
        "pairs": stages,
        "universal": stages,
        "num_pairs": 4,
        "num_targets": 2,
        "starts": 2,
        "min_asr": 0.5,
        "good_asr": 0.8,
        "most": 2,
    }
    return SquareSearch(**{**values, **changes})


UNIVERSAL = {
    "pixel": pixel_search,
    "square": patch_search,
    **{kind: partial(fixed_search, kind) for kind in FIXED},
}


@pytest.fixture(params=UNIVERSAL)
def kind(request):
    """Of universal trigger, each in turn."""
    return request.param


@pytest.fixture(scope="session")
def searches():
    """What makes the search for triggers of a kind."""
    return {**UNIVERSAL, "many_targets": many_targets_search, "squares": square_search}


def ending_in(classifier, module):
    """A classifier with one more layer."""
    layers = OrderedDict(classifier.network.named_children(), end=module)
    return Classifier(nn.Sequential(layers), Preprocessing(), num_classes=3, name="ending")


class Signs(nn.Module):
    """Steps, whose gradient is zero."""

    def forward(self, logits):
        """10 for logits above 1, else -10."""
        return 10 * torch.sign(logits - 1)


class Failing(nn.Module):
    """NaN for logits beyond those of clean images."""

    def forward(self, logits):
        """The same logits up to 7."""
        return logits.masked_fill(logits > 7, torch.nan)


@pytest.fixture(scope="session")
def without_gradient():
    """A network that tells the classes apart and has no gradient."""
    return ending_in(network(GREY), Signs())


@pytest.fixture(scope="session")
def failing():
    """A network with a backdoor at which it gives no numbers."""
    return ending_in(square_network(), Failing())


@pytest.fixture(scope="session")
def permuted():
    """The same classifier and images with other numbers for the classes."""

    def renumbered(classifier, samples, order):
        layers = OrderedDict(classifier.network.named_children())
        old, places = layers["linear"], torch.tensor(order)
        layers["linear"] = nn.Linear(old.in_features, len(order))
        layers["linear"].weight.data = old.weight.data[places]
        layers["linear"].bias.data = old.bias.data[places]
        other = Classifier(
            nn.Sequential(layers), Preprocessing(), num_classes=len(order), name="permuted"
        )
        return other, replace(samples, labels=places.argsort()[samples.labels])

    return renumbered
