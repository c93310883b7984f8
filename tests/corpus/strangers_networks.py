"""Networks as people have them, and a table of what each is answered: docs/networks.md.

Each is found in a public report or in common training code, and made here around a network of four
channels that knows red, green and blue.
"""

import sys
import tempfile
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import exray
from exray.images.samples import SampleSet
from exray.models.loading import load_classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.base import Scanner, ScannerResult

TABLE = Path(__file__).parents[2] / "docs" / "networks.md"
SIDE = 16  # pixels
SCANNED, INCONCLUSIVE, REFUSED = "scanned", "inconclusive", "refused"
Answer = tuple[str, str]
"""What came of a network, and what was said of it."""


class CutAndGradient(Scanner):
    """Finds no trigger, but needs what every scanner needs: a cut, and a gradient to the images."""

    def __init__(self, layer: str) -> None:
        self.layer = layer

    def scan(self, classifier, samples, progress=None):
        del progress
        images = samples.images[::3].clone().requires_grad_(True)
        split = SplitClassifier.of(classifier, self.layer, images.detach())
        split.head(split.features(images)).max(dim=1).values.sum().backward()
        if images.grad is None or not images.grad.any():
            raise ValueError("no gradient reaches the images")
        return ScannerResult(triggers=(), num_candidates=1, flags=False)


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


Outputs = namedtuple("Outputs", ["features", "scores"])


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


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network, and what it is to be answered.

    Args:
        make: The network and its images; images of three colours where it gives a network alone.
        source: Where such networks are met.
        before: What exray answered at f812e56, before it was taught this list.
        now: ``scanned``, or ``inconclusive`` for a true reason.
        said: Part of what is said, as a regular expression.
        layer: Where it is cut.
    """

    make: Callable[[], object]
    source: str
    before: str
    now: str = SCANNED
    said: str = ""
    layer: str = "middle"


def _case(make, source, before, now=SCANNED, said="", layer="middle"):
    return Case(make=make, source=source, before=before, now=now, said=said, layer=layer)


A, B = "art #306, #535", "trojanzoo #66, BackdoorBench #63"
CASES: dict[str, Case] = {
    "one logit, n x 1": _case(
        lambda: (Colours(after=single), images_of(2)), A, REFUSED, SCANNED, "one number for each"
    ),
    "one logit, n": _case(
        lambda: (Colours(after=lambda x: single(x)[:, 0]), images_of(2)), A, REFUSED, SCANNED,
        "class 1 where it is above 0, else class 0",
    ),
    "one probability": _case(
        lambda: (Colours(after=lambda x: single(x).sigmoid()), images_of(2)), "foolbox #360",
        REFUSED, SCANNED, "above 0.5, else class 0",
    ),
    "two logits": _case(
        lambda: (Colours(after=lambda x: x[:, :2]), images_of(2)), "foolbox #117", SCANNED
    ),
    "three logits": _case(Colours, "foolbox #117", SCANNED),
    "one channel": _case(Grey, B, REFUSED, SCANNED, "one channel: images are made grey"),
    "one channel, grey images in memory": _case(
        lambda: (Grey(), _grey(images_of())), B, SCANNED, SCANNED, "images are made grey"
    ),
    "four channels": _case(
        lambda: Colours(lambda x: x[:, :3] * x[:, 3:] if x.shape[1] == 4 else x[:, 9]), B, REFUSED,
        SCANNED, "four channels",
    ),
    "channels last": _case(
        lambda: Colours(lambda x: x.permute(0, 3, 1, 2)), "keras ports", REFUSED, SCANNED,
        "takes channels last",
    ),
    "BGR": _case(
        lambda: Colours(lambda x: x.flip(1)), "deep-visualization #69", INCONCLUSIVE, INCONCLUSIVE,
        r"with channels bgr it is 1.00 .* add --channels bgr",
    ),
    "pixels from 0 to 255": _case(
        lambda: Colours(lambda x: F.relu(x / 255 - 0.1)), "data-poisoning #3", INCONCLUSIVE,
        INCONCLUSIVE, r"with scaling byte it is 1.00 .* add --scaling byte",
    ),
    "bytes alone": _case(
        lambda: Colours(only_bytes), "torchvision's v2 transforms", REFUSED, SCANNED, "takes bytes"
    ),
    "float64 weights": _case(
        lambda: Colours().double(), "pytorch #121958", REFUSED, SCANNED, "taken as float32"
    ),
    "half weights": _case(
        lambda: Colours().half(), "AIGCDetectBenchmark #9", REFUSED, SCANNED, "taken as float32"
    ),
    "bfloat16 inside": _case(
        lambda: Colours(inside=lambda x: x.bfloat16().float()), "mixed precision", SCANNED
    ),
    "a batch of eight": _case(
        FixedBatch, "exported deployments", REFUSED, SCANNED, "batches of 8 images alone"
    ),
    "squeezed outputs": _case(
        lambda: Colours(after=lambda x: x[:, :, None].squeeze()), "common code", SCANNED, SCANNED,
        "does not take a single image",
    ),
    "a tuple": _case(
        lambda: Pair(lambda logits, features: (logits, features)), "pytorch-grad-cam #481", REFUSED,
        SCANNED, r"its \[0\] is taken for the logits",
    ),
    "a dict": _case(
        lambda: Pair(lambda logits, features: {"features": features, "logits": logits}),
        "torchattacks #193", REFUSED, SCANNED, r"its \['logits'\] is taken",
    ),
    "an object": _case(
        lambda: Pair(lambda logits, _: ImageClassifierOutput(None, logits)),
        "transformers", REFUSED, SCANNED, r"its .logits is taken",
    ),
    "a named tuple": _case(
        lambda: Pair(lambda logits, _: Outputs(None, logits)), "pybioclip #52", REFUSED,
        SCANNED, r"its \[1\] is taken",
    ),
    "n x k x 1 x 1": _case(
        lambda: Colours(after=lambda x: x[:, :, None, None]), "fully convolutional heads", REFUSED,
        SCANNED, "a map of one position",
    ),
    "a sigmoid of each class": _case(
        lambda: Colours(after=torch.sigmoid), "multi-label training", SCANNED, SCANNED,
        "a probability of each class alone",
    ),
    "a softmax": _case(
        lambda: Colours(after=lambda x: x.softmax(dim=1)), "nn_robust_attacks #21", SCANNED,
        SCANNED, "returns probabilities",
    ),
    "a log-softmax": _case(
        lambda: Colours(after=lambda x: x.log_softmax(dim=1)), "cleverhans #1101", SCANNED
    ),
    "dropout without training=": _case(
        lambda: Colours(inside=lambda x: F.dropout(x, 0.5)), "common code", INCONCLUSIVE,
        INCONCLUSIVE, "random in eval mode",
    ),
    "noise as a defence": _case(
        lambda: Colours(lambda x: x + 0.25 * torch.randn_like(x)), "randomised smoothing",
        INCONCLUSIVE, INCONCLUSIVE, "random in eval mode",
    ),
    "batch norms right in training mode alone": _case(
        with_wrong_statistics, "invisible_backdoor_attacks #1", INCONCLUSIVE, INCONCLUSIVE,
        r"with batch_statistics images it is 1.00 .* add --batch-statistics images",
    ),
    "batch norms without running statistics": _case(
        lambda: Norms(track_running_stats=False), "common code", SCANNED, SCANNED,
        "other images of its batch",
    ),
    "a backbone under no_grad": _case(
        lambda: Colours(frozen), "linear probes", SCANNED
    ),
    "a detached backbone": _case(
        lambda: Colours(inside=lambda x: x.detach()), "linear probes", SCANNED, SCANNED,
        "pass straight through",
    ),
    "rounded inputs": _case(
        lambda: Colours(lambda x: (x * 255).round() / 255), "input quantisation", SCANNED, SCANNED,
        "pass straight through",
    ),
    "inputs cast to bytes": _case(
        lambda: Colours(lambda x: (x * 255).to(torch.uint8).float() / 255), "input quantisation",
        SCANNED, SCANNED, "pass straight through",
    ),
    "one-hot answers": _case(
        lambda: Colours(after=one_hot), "served decisions", INCONCLUSIVE, INCONCLUSIVE,
        "probabilities are all 0 or 1|no gradient",
    ),
    "control flow and assertions": _case(ControlFlow, "vision #6817, pytorch #70485", SCANNED),
    "DenseNet, in-place after the cut": _case(
        lambda: of_a_library(library("densenet121")), "pytorch #61519", SCANNED
    ),
    "EfficientNet, in-place SiLU": _case(
        lambda: of_a_library(library("efficientnet_b0")), "vision #4164", SCANNED
    ),
    "timm with in_chans=1": _case(
        from_file("resnet10t", 1, in_chans=1), "timm", REFUSED, SCANNED, "images are made grey"
    ),
    "timm's ViT of 32 pixels": _case(
        from_file("vit_tiny_patch16_224", 3, img_size=32), "timm", REFUSED, SCANNED,
        "images of 32 x 32 pixels",
    ),
    "a background class without images": _case(
        lambda: (
            Colours(after=lambda x: torch.cat([x, x.amin(dim=1, keepdim=True) - 1], dim=1)),
            images_of(),
        ),
        "detection heads", SCANNED,
    ),
    "1000 classes, an image each": _case(
        lambda: _thousand(), "ImageNet", INCONCLUSIVE, INCONCLUSIVE,
        "fewer than two classes have 3 images classified right",
    ),
    "NaN in one batch norm": _case(
        with_nan, "LOTUS #1", INCONCLUSIVE, INCONCLUSIVE, "returns NaN or infinity on 18 of 18"
    ),
    "a constant network": _case(
        constant, "LOTUS #1", INCONCLUSIVE, INCONCLUSIVE, "the network is constant"
    ),
    "a dead ReLU": _case(
        dead, "LOTUS #1", INCONCLUSIVE, INCONCLUSIVE, "the network is constant"
    ),
}  # fmt: skip


def _grey(samples: SampleSet) -> tuple[Tensor, Tensor]:
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (samples.images * luma).sum(dim=1, keepdim=True), samples.labels


def _thousand() -> tuple[nn.Module, SampleSet]:
    """A linear network of a thousand classes that knows each by its only image."""
    images = torch.rand(1000, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 1000))
    network[1].weight.data = images.flatten(1) - 0.5
    network[1].bias.data.zero_()
    names = tuple(map(str, range(1000)))
    return network, SampleSet(images=images, labels=torch.arange(1000), class_names=names)


def answer(case: Case) -> Answer:
    """What exray says of a network.

    Args:
        case: The network.
    """
    made = case.make()
    network, samples = made if isinstance(made, tuple) else (made, images_of())
    layer = case.layer
    try:
        report = exray.scan(network, samples, scanner=CutAndGradient(layer), judge="none")
    except Exception as error:  # what a stranger would see
        return REFUSED, " ".join(str(error).split())
    said = [remark for remark in report.remarks if "images are misclassified" not in remark]
    kind = INCONCLUSIVE if report.verdict is exray.Verdict.INCONCLUSIVE else SCANNED
    return kind, "; ".join(said)


def _shortened(said: str) -> str:
    return said.removeprefix("inconclusive: ")


def main(place: Path = TABLE) -> None:
    """Writes the table.

    Args:
        place: The page.
    """
    rows = [(name, case, *answer(case)) for name, case in CASES.items()]
    now = [kind for _, _, kind, _ in rows]
    before = [case.before for case in CASES.values()]
    counts = ", ".join(
        f"{kind} {before.count(kind)} before and {now.count(kind)} now"
        for kind in (SCANNED, INCONCLUSIVE, REFUSED)
    )
    lines = [
        "# Strangers' networks",
        "",
        f"{len(rows)} networks as people have them, from public reports and common code, and what",
        f"exray answers: {counts}.",
        "",
        "`PYTHONPATH=. python tests/corpus/strangers_networks.py` makes this page on a CPU; the",
        "column *before* is exray at f812e56. Scanned means: loaded, accurate, cut in two, with a",
        "gradient to the images. What is inconclusive names its cause, and the flag that mends it",
        "where there is one.",
        "",
        "| network | met in | before | now | what is said |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {case.source} | {case.before} | {kind} | {_shortened(said)} |"
            for name, case, kind, said in rows
        ),
    ]
    place.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
