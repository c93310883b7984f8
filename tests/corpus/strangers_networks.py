"""Networks as people have them, and a table of what each is answered: docs/networks.md.

Each is found in a public report or in common training code, and made here around a network of four
channels that knows red, green and blue.
"""

import sys
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from coloured_networks import (
    SIDE,
    Colours,
    ControlFlow,
    FixedBatch,
    Grey,
    ImageClassifierOutput,
    Norms,
    Pair,
    constant,
    dead,
    from_file,
    frozen,
    images_of,
    library,
    of_a_library,
    one_hot,
    only_bytes,
    single,
    with_nan,
    with_wrong_statistics,
)
from torch import Tensor, nn
from torch.nn import functional as F

import exray
from exray.images.samples import SampleSet
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.base import Scanner, ScannerResult

TABLE = Path(__file__).parents[2] / "docs" / "networks.md"
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


Outputs = namedtuple("Outputs", ["features", "scores"])


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
