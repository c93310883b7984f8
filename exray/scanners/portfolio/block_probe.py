"""Where a patch starts: small coloured blocks tried everywhere, on a few images."""

from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.scanners.inversion.batching import fastest_layout, pixels_per_call
from exray.scanners.inversion.strength import capped
from exray.scanners.portfolio.scene import Scene
from exray.scanners.validation import require_count

_COLOURS = tuple(product((0.0, 1.0), repeat=3))


@dataclass(frozen=True, kw_only=True)
class BlockProbe:
    """How coloured blocks are tried.

    No gradient leads to one pixel among a thousand. A block of black, white or a pure colour that
    covers it moves the logits, so blocks are tried on a grid over the whole image: all of them on
    the first images, each target's best on more. It takes forward passes only, and serves all
    targets at once.

    Args:
        blocks: Blocks along a side of the image.
        first: Images, of different classes, on which all are tried.
        images: Images on which the finalists are compared.
        finalists: Blocks per target that go on to all images.

    Raises:
        ValueError: If a count is below 1.
    """

    blocks: int
    first: int
    images: int
    finalists: int

    def __post_init__(self) -> None:
        for name in ("blocks", "first", "images", "finalists"):
            require_count(name, getattr(self, name))

    def starts(self, scene: Scene) -> tuple["Block", ...]:
        """The best block of each class that has images, as the target of all others.

        Searches of one scene share them.

        Args:
            scene: The classifier and its images.
        """
        known = scene.shared.get(self)
        if isinstance(known, tuple):
            return known
        blocks = self._tried(scene)
        scene.shared[self] = blocks
        return blocks

    @torch.no_grad()
    def _tried(self, scene: Scene) -> tuple["Block", ...]:
        height, width = scene.image_size
        side = max(1, min(height, width) // self.blocks)
        blocks = [
            Block(top=top, left=left, side=side, colour=colour)
            for top in range(0, height - side + 1, side)
            for left in range(0, width - side + 1, side)
            for colour in _COLOURS
        ]
        order = _in_turn(scene)
        strengths = _strengths(scene, blocks, order[: self.first])
        count = min(self.finalists, len(blocks))
        best = strengths.topk(count, dim=0).indices
        finalists = sorted(set(best.flatten().tolist()))
        compared = _strengths(scene, [blocks[place] for place in finalists], order[: self.images])
        return tuple(blocks[finalists[int(place)]] for place in compared.argmax(dim=0))


@dataclass(frozen=True, kw_only=True)
class Block:
    """A square of one colour.

    Args:
        top: Its first row.
        left: Its first column.
        side: In pixels.
        colour: RGB.
    """

    top: int
    left: int
    side: int
    colour: tuple[float, ...]

    @property
    def place(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)


def _in_turn(scene: Scene) -> Int[Tensor, " n"]:
    """Rows of the images to search on, of one class after the other."""
    labels = scene.search.labels
    turns: list[tuple[int, int, int]] = []
    for place, index in enumerate(scene.present):
        rows = (labels == index).nonzero().flatten().tolist()
        turns += [(turn, place, row) for turn, row in enumerate(rows)]
    return labels.new_tensor([row for _, _, row in sorted(turns)])


def _strengths(
    scene: Scene, blocks: list[Block], rows: Int[Tensor, " m"]
) -> Float[Tensor, "blocks targets"]:
    """Mean capped lead of each target with images, over the images of other classes."""
    images, labels = scene.search.images[rows], scene.search.labels[rows]
    layout = fastest_layout(scene.split, images)
    per_call = max(1, pixels_per_call(images.device) // images[:, 0].numel())
    parts = []
    for start in range(0, len(blocks), per_call):
        some = blocks[start : start + per_call]
        stamped = images[None].repeat(len(some), 1, 1, 1, 1)
        for row, block in enumerate(some):
            down, right = block.place
            stamped[row, :, :, down, right] = images.new_tensor(block.colour).view(3, 1, 1)
        inputs = stamped.flatten(0, 1).contiguous(memory_format=layout)
        logits = scene.split.head(scene.split.features(inputs)).view(len(some), len(images), -1)
        parts.append(_leads(logits)[:, :, list(scene.present)])
    leads = capped(torch.cat(parts))
    targets = labels.new_tensor(scene.present)
    is_own = labels[:, None] == targets
    counts = (~is_own).sum(dim=0).clamp(min=1)
    return torch.where(is_own, 0.0, leads).sum(dim=1) / counts


def _leads(logits: Float[Tensor, "p m k"]) -> Float[Tensor, "p m k"]:
    """Every class's lead over the best other one."""
    top = logits.topk(2, dim=2).values
    best, second = top[..., :1], top[..., 1:]
    leads = logits - torch.where(logits == best, second, best)
    return torch.nan_to_num(leads, nan=-torch.inf, posinf=-torch.inf)
