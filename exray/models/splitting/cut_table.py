"""Where the rules cut each known architecture, as the manual's table.

``python -m exray.models.splitting.cut_table docs/architectures.md`` writes the tables into it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from exray.models.architectures.libraries import TROJAI_ARCHITECTURES
from exray.models.architectures.registry import ARCHITECTURES, build
from exray.models.splitting.channel_axis import axis_at
from exray.models.splitting.cut_points import RULES, find_cut
from exray.models.splitting.tracing import Trace, is_convolution, trace
from exray.text import markdown_table

# Beside our own and TrojAI's: a vision transformer, a ConvNeXt, a Swin transformer and a mixer.
FROM_TIMM = (
    "timm/vit_tiny_patch16_224",
    "timm/convnext_atto",
    "timm/swin_tiny_patch4_window7_224",
    "timm/mixer_s32_224",
)
TABLED = (*ARCHITECTURES, *TROJAI_ARCHITECTURES, *FROM_TIMM)
_SIZES = {name: own.side for name, own in ARCHITECTURES.items()}  # pixels; 224 for others
_NUM_CLASSES = 5
_RELEASED = (
    ("resnet", "layer3"), ("wide_resnet", "layer3"), ("densenet", "features.transition3.norm"),
    ("googlenet", "inception5a"), ("inception_v3", "Mixed_7b"), ("squeezenet1_0", "features.10"),
    ("squeezenet1_1", "features.11"), ("shufflenet", "stage4.2"), ("mobilenet_v2", "features.16"),
)  # fmt: skip
_RULE_HEADER = (
    "architecture", "images", "rule", "counted", "cut after", "convolutions passed", "channels",
    "positions",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CutRow:
    """One line of the table.

    Args:
        architecture: As ``build`` takes it.
        size: Side of the images in pixels.
        rule: What was asked for: a rule or a module's path.
        counted: The convolution or block that the rule counted.
        passed: Convolutions between that one and the cut.
        layer: The cut.
        num_tensors: Live tensors there.
        shape: Of one image's features, channels first.
    """

    architecture: str
    size: int
    rule: str
    counted: str
    passed: int
    layer: str
    num_tensors: int
    shape: tuple[int, ...]


def cut_rows(architecture: str, layers: tuple[str, ...] = RULES) -> list[CutRow]:
    """Where rules or paths cut an architecture; nothing is computed but shapes.

    Args:
        architecture: As ``build`` takes it.
        layers: Rules or modules' paths.

    Example:
        >>> [(row.layer, row.shape) for row in cut_rows("plain_cnn", ("last_conv",))]
        [('6', (64, 4, 4))]
    """
    size = _SIZES.get(architecture, 224)
    with torch.device("meta"):
        network = build(architecture, num_classes=_NUM_CLASSES).eval()
        traced = trace(network, torch.empty(2, 3, size, size), name=architecture)
    return [_row(traced, layer, size) for layer in layers]


def _row(traced: Trace, layer: str, size: int) -> CutRow:
    cut = find_cut(traced, layer)
    axis = axis_at(traced, cut)
    shapes = [list(traced.shapes[node]) for node in cut.live]
    channels = sum(shape.pop(axis) for shape in shapes)
    nodes = traced.nodes
    between = nodes[nodes.index(cut.start) + 1 : nodes.index(cut.after) + 1]
    return CutRow(
        architecture=traced.name,
        size=size,
        rule=layer,
        counted=cut.counted,
        passed=sum(is_convolution(traced, node) for node in between),
        layer=cut.layer,
        num_tensors=len(cut.live),
        shape=(channels, *shapes[0][1:]),
    )


def released_layer(architecture: str) -> str:
    """The layer at which EX-RAY's released code cuts one of TrojAI's architectures.

    Source: the facts on EX-RAY's release, section 1.5.
    """
    if architecture.startswith("vgg"):
        with torch.device("meta"):
            network = build(architecture, num_classes=_NUM_CLASSES)
        norms = [
            path for path, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)
        ]
        return str(norms[-2])
    return next(layer for start, layer in _RELEASED if architecture.startswith(start))


def rule_table(rows: Sequence[CutRow]) -> str:
    """Where rules cut, a row per architecture and rule, as the manual has it.

    Args:
        rows: The cuts.
    """
    cells = [
        (
            row.architecture,
            row.size,
            row.rule,
            f"`{row.counted}`",
            f"`{row.layer}`",
            row.passed,
            row.shape[0],
            _product(row.shape[1:]),
        )
        for row in rows
    ]
    return markdown_table(_RULE_HEADER, cells)


def _released_table() -> str:
    rows = []
    for architecture in TROJAI_ARCHITECTURES:
        (row,) = cut_rows(architecture, (released_layer(architecture),))
        rows.append((architecture, f"`{row.rule}`", row.shape[0], _product(row.shape[1:])))
    return markdown_table(("architecture", "layer", "channels", "positions"), rows)


def _product(sides: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in sides)


def with_tables(page: str) -> str:
    """A page whose tables, between their markers, are those of the code."""
    rules = rule_table([row for name in TABLED for row in cut_rows(name)])
    for name, table in (("rules", rules), ("released", _released_table())):
        before, start, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        page = before + start + table + end + after
    return page


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text()))
