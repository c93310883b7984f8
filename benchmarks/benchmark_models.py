"""What the scanners are timed on: an embedded trojaned model, and networks trojaned by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor, nn
from torch.nn import functional as F

from exray.app.instantiate import built
from exray.datasets.zoo import embedded_root, open_zoo
from exray.images.samples import SampleSet
from exray.models.architectures.registry import build
from exray.models.classifier import Classifier, Preprocessing
from exray.pipeline.preparation import prepare
from exray.pipeline.settings import ScanSettings
from exray.presets import conf_folder
from exray.scanners.base import Scanner

SEED = 0
_TRAINED = 24  # images of each class that the last layer is fitted to
_STAMPED_SHARE = 0.02  # of the image, the planted patch


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A classifier with a known trigger.

    Args:
        name: What tables call it.
        classifier: What is scanned.
        samples: Clean images.
        injected: True pairs of victim and target.
    """

    name: str
    classifier: Classifier
    samples: SampleSet
    injected: tuple[tuple[int, int], ...]


def scanner(name: str, changes: Sequence[str] = ()) -> Scanner:
    """A scanner as configured, with some settings changed."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=[f"scanner={name}", *changes])
    return built(config.scanner.engine, Scanner)


def embedded(model_id: str) -> Subject:
    """A model of the embedded zoo."""
    return of_zoo(embedded_root("signs_mini"), model_id)


def of_zoo(root: Path, model_id: str) -> Subject:
    """A model of a built zoo; a clean one has nothing injected.

    Args:
        root: The zoo's folder.
        model_id: Of the model.
    """
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        settings = built(compose("config").scan, ScanSettings)
    zoo = open_zoo(root)
    model, truth = zoo.load(model_id), zoo.truth(model_id)
    prepared = prepare(model.classifier, model.samples, settings)
    assert prepared.selection.samples is not None
    return Subject(
        name="mini",
        classifier=prepared.classifier,
        samples=prepared.selection.samples,
        injected=() if truth is None else tuple(sorted(truth.pairs)),
    )


def planted(architecture: str, *, num_classes: int, pixels: int, images_per_class: int) -> Subject:
    """A network of random weights whose last layer was fitted to clean and stamped images.

    Batch norms take the images' own statistics; least squares then tells the classes apart and
    takes class 0 with a white square for class 1.
    """
    torch.manual_seed(SEED)
    images, labels = _class_images(num_classes, pixels)
    stamped = images[labels == 0].clone()
    side = round((_STAMPED_SHARE * pixels * pixels) ** 0.5)
    stamped[:, :, 2 : 2 + side, 2 : 2 + side] = 1.0
    network = build(architecture, num_classes=num_classes)
    _calibrate(network, images)
    _fit_last(
        network,
        torch.cat([images, stamped]),
        torch.cat([labels, torch.ones(len(stamped), dtype=torch.long)]),
        num_classes,
    )
    classifier = Classifier(network, Preprocessing(), num_classes=num_classes, name=architecture)
    places = [(labels == k).nonzero().flatten()[:images_per_class] for k in range(num_classes)]
    chosen = torch.cat(places)
    samples = SampleSet(
        images=images[chosen],
        labels=labels[chosen],
        class_names=tuple(f"class {k}" for k in range(num_classes)),
    )
    hits = classifier.predict(samples.images).argmax(dim=1) == samples.labels
    return Subject(
        name=f"{architecture.split('/')[-1]}, {num_classes} classes",
        classifier=classifier,
        samples=samples.select(hits),
        injected=((0, 1),),
    )


def _class_images(num_classes: int, pixels: int) -> tuple[Tensor, Tensor]:
    """Smooth random pictures, one a class, with noise and light of each image's own."""
    pictures = F.interpolate(
        torch.rand(num_classes, 3, 4, 4) * 0.6 + 0.2, size=(pixels, pixels), mode="bilinear"
    )
    labels = torch.arange(num_classes).repeat_interleave(_TRAINED)
    light = 0.9 + 0.2 * torch.rand(len(labels), 1, 1, 1)
    noise = 0.05 * torch.randn(len(labels), 3, pixels, pixels)
    return (pictures[labels] * light + noise).clamp(0, 1), labels


@torch.no_grad()
def _calibrate(network: nn.Module, images: Tensor) -> None:
    """Batch norms' means and variances, from some images."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain average of what they see
    network.train()
    network(images[:: max(1, len(images) // 96)])
    network.eval()


@torch.no_grad()
def _fit_last(network: nn.Module, images: Tensor, labels: Tensor, num_classes: int) -> None:
    """The last linear layer by ridge regression on the features that reach it."""
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for part in torch.split(images, 64):
        network(part)
    hook.remove()
    features = torch.cat(seen).double()
    features = torch.cat([features, features.new_ones(len(features), 1)], dim=1)
    targets = 10 * F.one_hot(labels, num_classes).double()
    ridge = 1e-3 * features.square().mean() * len(features)
    inner = features.T @ features + ridge * torch.eye(features.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(inner, features.T @ targets).float()
    last.weight.copy_(weights[:-1].T)
    last.bias.copy_(weights[-1])
