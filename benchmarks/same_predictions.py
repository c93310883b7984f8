"""Changes of a model, its file or its images under which every prediction stays what it was."""

import itertools
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from exray.images.loading import load_samples
from exray.images.samples import SampleSet
from exray.models.architectures.registry import build
from exray.models.architectures.signs_resnet import ResidualBlock
from exray.models.classifier import Classifier
from exray.models.loading import load_classifier
from exray.zoo.entries import ModelEntry

FACTORY = """from exray.models.architectures.registry import build

def network():
    return build({architecture!r}, num_classes={num_classes})
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network of the signs zoos in memory, and its images.

    Args:
        network: A ``signs_resnet``.
        samples: Images of whole 1/255, so that PNG files hold them.
        entry: What the manifest says of the model.
    """

    network: nn.Sequential
    samples: SampleSet
    entry: ModelEntry

    @property
    def classifier(self) -> Classifier:
        """The network as what is scanned."""
        return load_classifier(self.network, example=self.samples.images)


class Input(NamedTuple):
    """What a scan is given."""

    classifier: Classifier
    samples: SampleSet


Transformation = Callable[[Case, Path], Input]
"""Makes a scan's input of a case; files may be written into the folder."""


def fresh(case: Case) -> nn.Sequential:
    """A copy of the network."""
    network = build(case.entry.architecture, num_classes=case.entry.num_classes)
    assert isinstance(network, nn.Sequential)
    network.load_state_dict(case.network.state_dict())
    return network.eval()


def last_linear(network: nn.Module) -> nn.Linear:
    """The layer that gives the logits."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


def _with(case: Case, network: nn.Sequential) -> Input:
    return Input(replace(case, network=network).classifier, case.samples)


@torch.no_grad()
def scaled(case: Case, folder: Path, *, factor: float) -> Input:
    """All logits multiplied."""
    del folder
    network = fresh(case)
    for value in last_linear(network).parameters():
        value.mul_(factor)
    return _with(case, network)


@torch.no_grad()
def shifted(case: Case, folder: Path, *, constant: float) -> Input:
    """A constant added to all logits."""
    del folder
    network = fresh(case)
    last_linear(network).bias.add_(constant)
    return _with(case, network)


@torch.no_grad()
def permuted_classes(case: Case, folder: Path) -> Input:
    """Other indices of the same classes, and the images in the order of these."""
    del folder
    count, samples = case.entry.num_classes, case.samples
    new_of_old = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    old_of_new = new_of_old.argsort()
    network = fresh(case)
    linear = last_linear(network)
    linear.weight.copy_(linear.weight[old_of_new])
    linear.bias.copy_(linear.bias[old_of_new])
    labels = new_of_old[samples.labels]
    order = labels.argsort(stable=True)
    names = tuple(samples.class_names[old] for old in old_of_new.tolist())
    renamed = SampleSet(images=samples.images[order], labels=labels[order], class_names=names)
    return Input(replace(case, network=network).classifier, renamed)


@torch.no_grad()
def permuted_channels(case: Case, folder: Path) -> Input:
    """Channels inside the network in another order, with the layers that read them."""
    del folder
    network = fresh(case)
    stream = torch.Generator().manual_seed(0)
    for block in network:
        if isinstance(block, ResidualBlock):
            _permute(block.first, block.conv, stream)
    stage, reader = network.get_submodule("conv"), last_linear(network)
    _permute(stage, reader, stream)
    return _with(case, network)


def _permute(writer: nn.Module, reader: nn.Conv2d | nn.Linear, stream: torch.Generator) -> None:
    """Other order of the channels that a convolution with its norm gives to one layer."""
    convolution, norm = writer.get_submodule("0"), writer.get_submodule("1")
    assert isinstance(convolution, nn.Conv2d)
    order = torch.randperm(convolution.out_channels, generator=stream)
    convolution.weight.copy_(convolution.weight[order])
    for name in ("weight", "bias", "running_mean", "running_var"):
        values: Tensor = getattr(norm, name)
        values.copy_(values[order])
    reader.weight.copy_(reader.weight[:, order])


def inserted_identity(case: Case, folder: Path) -> Input:
    """A 1x1 convolution that changes nothing, before the pooling."""
    del folder
    longer = nn.Sequential()
    for name, module in fresh(case).named_children():
        if name == "pool":
            channels = last_linear(case.network).in_features
            identity = nn.Conv2d(channels, channels, 1, bias=False)
            nn.init.dirac_(identity.weight)
            longer.add_module("identity", identity)
        longer.add_module(name, module)
    return _with(case, longer)


def folded_norms(case: Case, folder: Path) -> Input:
    """Batch norms folded into the convolutions before them."""
    del folder
    network = fresh(case)
    for module in list(network.modules()):
        names = list(module._modules)
        for before, name in itertools.pairwise(names):
            convolution, norm = module._modules[before], module._modules[name]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module.add_module(before, fuse_conv_bn_eval(convolution, norm))
                module.add_module(name, nn.Identity())
    return _with(case, network)


def half_precision(case: Case, folder: Path) -> Input:
    """Weights saved as float16."""
    state = {key: value.half() for key, value in case.network.state_dict().items()}
    return _from_file(case, folder, state)


def state_dict(case: Case, folder: Path) -> Input:
    """Weights out of a file."""
    return _from_file(case, folder, case.network.state_dict())


def _from_file(case: Case, folder: Path, state: dict[str, Tensor]) -> Input:
    torch.save(state, folder / "model.pt")
    return _loaded(case, folder / "model.pt")


def safetensors(case: Case, folder: Path) -> Input:
    """Weights out of a safetensors file."""
    state = {key: value.contiguous() for key, value in case.network.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    return _loaded(case, folder / "model.safetensors")


def _loaded(case: Case, path: Path) -> Input:
    images = case.samples.images
    classifier = load_classifier(path, architecture=case.entry.architecture, example=images)
    return Input(classifier, case.samples)


def _factory(case: Case, folder: Path) -> str:
    entry = case.entry
    text = FACTORY.format(architecture=entry.architecture, num_classes=entry.num_classes)
    (folder / "factory.py").write_text(text)
    return f"{folder / 'factory.py'}:network"


def by_factory(case: Case, folder: Path) -> Input:
    """A state dict whose network a function builds."""
    torch.save(case.network.state_dict(), folder / "model.pt")
    return _by_factory(case, folder)


def whole_pickle(case: Case, folder: Path) -> Input:
    """The whole network pickled, with a function that builds it."""
    torch.save(case.network, folder / "model.pt")
    return _by_factory(case, folder)


def _by_factory(case: Case, folder: Path) -> Input:
    factory, images = _factory(case, folder), case.samples.images
    return Input(
        load_classifier(folder / "model.pt", factory=factory, example=images), case.samples
    )


def sixteen_bit_images(case: Case, folder: Path) -> Input:
    """Images as PNG files of 16 bits a channel."""
    counts = [0] * case.samples.num_classes
    for image, label in zip(case.samples.images, case.samples.labels.tolist(), strict=True):
        place = folder / "images" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{counts[label]:03d}.png").write_bytes(_png16(image))
        counts[label] += 1
    samples = load_samples(folder / "images", num_classes=case.entry.num_classes)
    return Input(case.classifier, replace(samples, class_names=case.samples.class_names))


def _png16(image: Tensor) -> bytes:
    """An RGB image as a PNG of 16 bits a channel, which Pillow does not write."""
    _, height, width = image.shape
    levels = (image * 65535).round().int().permute(1, 2, 0).numpy().astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


class _Rounded(nn.Module):
    """A network that rounds its input to whole 1/255."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network((images * 255).round() / 255)
        return logits


def rounded_input(case: Case, folder: Path) -> Input:
    """A network that rounds its input, so that it has no gradient by itself."""
    del folder
    classifier = load_classifier(_Rounded(fresh(case)), example=case.samples.images)
    return Input(classifier, case.samples)


TRANSFORMATIONS: dict[str, Transformation] = {
    **{f"x{factor:g}": partial(scaled, factor=factor) for factor in (0.01, 0.1, 3, 10, 1000)},
    "+100": partial(shifted, constant=100.0),
    "classes permuted": permuted_classes,
    "channels permuted": permuted_channels,
    "identity inserted": inserted_identity,
    "norms folded": folded_norms,
    "fp16 weights": half_precision,
    "16-bit images": sixteen_bit_images,
    "state dict": state_dict,
    "safetensors": safetensors,
    "factory": by_factory,
    "whole pickle": whole_pickle,
    "rounded input": rounded_input,
}


def plain(case: Case) -> Input:
    """The case as it is."""
    return Input(case.classifier, case.samples)


def of_entry(network: nn.Sequential, samples: SampleSet, entry: ModelEntry) -> Case:
    """A case of a zoo's model.

    Args:
        network: The model's.
        samples: Its clean images, which are rounded to whole 1/255.
        entry: Its entry in the manifest.
    """
    images = (samples.images * 255).round() / 255
    return Case(network=network, samples=replace(samples, images=images), entry=entry)
