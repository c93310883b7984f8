"""Where a patch starts: small coloured blocks tried everywhere, by forward passes alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.scanners.inversion.batching import fastest_layout, pixels_per_call
from exray.scanners.inversion.strength import capped
from exray.scanners.portfolio.scene import Scene
from exray.scanners.validation import require_count

STAGE = "blocks"
"""What progress calls the screen, which comes before the first step of the first search."""

_COLOURS = tuple(product((0.0, 1.0), repeat=3))
_APART = 1.5  # strides between the centres of two starts of one candidate, at least
_ALL_CLASSES = 30  # images on which blocks for all classes are compared, at most

Pair = tuple[int, int]
"""A victim class and a target class."""


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


@dataclass(frozen=True, kw_only=True)
class Start:
    """A block that was tried.

    Args:
        block: The block.
        strength: Mean capped lead with it in the images.
    """

    block: Block
    strength: float


@dataclass(frozen=True, kw_only=True)
class Probed:
    """The best blocks, apart from each other, the strongest first.

    Args:
        targets: Towards each class that has images, from all others.
        pairs: From one class to another, of the pairs that give way most.
        free: From every class to whatever class it is driven to.
    """

    targets: Mapping[int, tuple[Start, ...]]
    pairs: Mapping[Pair, tuple[Start, ...]]
    free: tuple[Start, ...]


@dataclass(frozen=True, kw_only=True)
class BlockProbe:
    """How coloured blocks are tried.

    No gradient leads to one pixel among a thousand, nor to the one pair of classes among hundreds
    that a small patch connects. A block of black, white or a pure colour that covers the place
    moves the logits, and one forward pass tells so of all targets. So four blocks at a time are put
    into an image of each class, over the whole image, and the best of the four are told apart on
    more images. One probe serves universal, label-specific and all-to-all triggers.

    Args:
        blocks: Blocks along the shorter side of the image.
        sides: Sides of the blocks in units of their distance, each tried on its own; the first ones
            where there are too many classes for all.
        finalists: Fours of blocks per target, pair and side whose blocks are told apart.
        pairs: Pairs of which blocks are told apart.
        pair_images: Images of the victim on which a pair's blocks are compared.
        images: Images of different classes on which a target's blocks are compared.
        most_passes: Images that go through the network at most before blocks are told apart; with
            more classes fewer sides are tried, and in the end fewer victims.

    Raises:
        ValueError: If a count is below 1 or a side is not positive.

    Source: none; the fours are group testing (Dorfman 1943).
    """

    blocks: int
    sides: Sequence[float]
    finalists: int
    pairs: int
    pair_images: int
    images: int
    most_passes: int

    def __post_init__(self) -> None:
        for name in ("blocks", "finalists", "pairs", "pair_images", "images", "most_passes"):
            require_count(name, getattr(self, name))
        if not self.sides or min(self.sides) <= 0:
            raise ValueError(f"sides must be positive numbers; got {list(self.sides)}")
        object.__setattr__(self, "sides", tuple(self.sides))

    def results(self, scene: Scene) -> Probed:
        """The best blocks; searches of one scene share them.

        Args:
            scene: The classifier and its images.
        """
        known = scene.shared.get(self)
        if isinstance(known, Probed):
            return known
        probed = _Probe(self, scene).probed()
        scene.shared[self] = probed
        return probed


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Blocks of one side over the whole image, put into images four at a time.

    Args:
        image_size: Height and width in pixels.
        stride: Pixels between neighbours.
        side: Of a block, in pixels.
    """

    image_size: tuple[int, int]
    stride: int
    side: int

    @property
    def counts(self) -> tuple[int, int]:
        """Blocks down and across."""
        down, across = ((length - self.side) // self.stride + 1 for length in self.image_size)
        return down, across

    def fours(self) -> list[list[Block]]:
        """Blocks of one colour in the same place of each quarter of the image."""
        down, across = self.counts
        half_down, half_across = (down + 1) // 2, (across + 1) // 2
        return [
            [
                Block(top=i * self.stride, left=j * self.stride, side=self.side, colour=colour)
                for i in (row, row + half_down)
                for j in (column, column + half_across)
                if i < down and j < across
            ]
            for row in range(half_down)
            for column in range(half_across)
            for colour in _COLOURS
        ]


class _Probe:
    """One run of a probe."""

    def __init__(self, settings: BlockProbe, scene: Scene) -> None:
        self._settings = settings
        self._scene = scene
        self._rows = {
            index: (scene.search.labels == index).nonzero().flatten() for index in scene.present
        }
        self._layout = fastest_layout(scene.split, scene.search.images[:1])
        self._stride = max(1, round(min(scene.image_size) / settings.blocks))
        self._fours, self._victims = self._affordable()
        self._done = 0

    @torch.no_grad()
    def probed(self) -> Probed:
        """All of it."""
        firsts = self._scene.search.images[[int(self._rows[v][0]) for v in self._victims]]
        screened = [
            self._leads(fours, firsts, is_reported=True).transpose(0, 1) for fours in self._fours
        ]
        return Probed(
            targets=self._targets(screened), pairs=self._pairs(screened), free=self._free(screened)
        )

    def _report(self, passes: int) -> None:
        """Says how many passes of the screen are done."""
        self._done += passes
        if self._scene.progress is not None:
            total = len(self._victims) * sum(len(fours) for fours in self._fours)
            self._scene.progress(STAGE, self._done, total)

    def _affordable(self) -> tuple[list[list[list[Block]]], list[int]]:
        """The fours of as many sides, and as many victims, as the passes allow."""
        settings, size = self._settings, self._scene.image_size
        sides = dict.fromkeys(max(1, round(share * self._stride)) for share in settings.sides)
        all_fours = [
            _Grid(image_size=size, stride=self._stride, side=min(side, *size)).fours()
            for side in sides
        ]
        victims = list(self._scene.present)
        fours, passes = all_fours[:1], len(all_fours[0]) * len(victims)
        for more in all_fours[1:]:
            passes += len(more) * len(victims)
            if passes > settings.most_passes:
                break
            fours.append(more)
        affordable = max(2, settings.most_passes // len(all_fours[0]))
        step = -(-len(victims) // affordable)
        return fours, victims[::step]

    def _pairs(self, screened: Sequence[Float[Tensor, "v b k"]]) -> dict[Pair, tuple[Start, ...]]:
        """Blocks of the pairs that some four moves furthest."""
        peaks = torch.stack([leads.amax(dim=1) for leads in screened]).amax(dim=0)
        by_pair = {
            (victim, target): float(peaks[place, target])
            for place, victim in enumerate(self._victims)
            for target in self._scene.present
            if target != victim
        }
        likely = sorted(by_pair, key=lambda pair: -by_pair[pair])[: self._settings.pairs]
        found = {}
        for victim, target in likely:
            place = self._victims.index(victim)
            blocks = self._blocks([leads[place, :, target] for leads in screened])
            images = self._scene.search.images[self._rows[victim][: self._settings.pair_images]]
            strengths = self._leads(blocks, images)[..., target].mean(dim=1)
            found[victim, target] = self._apart(blocks, strengths)
        return dict(sorted(found.items(), key=lambda item: -item[1][0].strength))

    def _targets(self, screened: Sequence[Float[Tensor, "v b k"]]) -> dict[int, tuple[Start, ...]]:
        """Blocks towards each target, compared on images of other classes."""
        victims = torch.tensor(self._victims)
        order = _in_turn(self._scene)[: self._settings.images]
        images, labels = self._scene.search.images[order], self._scene.search.labels[order]
        found = {}
        for target in self._scene.present:
            others = (victims != target).to(screened[0].device)
            if not bool(others.any()):
                others = ~others
            blocks = self._blocks([leads[others, :, target].mean(dim=0) for leads in screened])
            kept = labels != target
            if not bool(kept.any()):
                kept = ~kept
            strengths = self._leads(blocks, images[kept])[..., target].mean(dim=1)
            found[target] = self._apart(blocks, strengths)
        return found

    def _free(self, screened: Sequence[Float[Tensor, "v b k"]]) -> tuple[Start, ...]:
        """Blocks that drive every class somewhere else."""
        victims = torch.tensor(self._victims, device=screened[0].device)
        blocks = self._blocks([_elsewhere(leads, victims).mean(dim=0) for leads in screened])
        firsts = [int(self._rows[victim][0]) for victim in self._victims[:_ALL_CLASSES]]
        leads = self._leads(blocks, self._scene.search.images[firsts]).transpose(0, 1)
        return self._apart(blocks, _elsewhere(leads, victims[:_ALL_CLASSES]).mean(dim=0))

    def _blocks(self, by_side: Sequence[Float[Tensor, " b"]]) -> list[Block]:
        """The blocks of the best fours of each side."""
        blocks: dict[Block, None] = {}
        for fours, strengths in zip(self._fours, by_side, strict=True):
            best = strengths.topk(min(self._settings.finalists, len(fours))).indices
            blocks |= {block: None for place in best.tolist() for block in fours[place]}
        return list(blocks)

    def _apart(self, blocks: Sequence[Block], strengths: Float[Tensor, " b"]) -> tuple[Start, ...]:
        """Starts without those close to a stronger one."""
        starts: list[Start] = []
        values = strengths.tolist()
        for place in sorted(range(len(blocks)), key=lambda one: -values[one]):
            block = blocks[place]
            if all(_distance(block, one.block) >= _APART * self._stride for one in starts):
                starts.append(Start(block=block, strength=values[place]))
        return tuple(starts)

    def _leads(
        self,
        stampings: Sequence[Block | Sequence[Block]],
        images: Float[Tensor, "n 3 h w"],
        *,
        is_reported: bool = False,
    ) -> Float[Tensor, "b n k"]:
        """Every class's capped lead on each image with each block, or blocks, in it."""
        split = self._scene.split
        per_call = max(1, pixels_per_call(images.device) // images[:, 0].numel())
        parts = []
        for start in range(0, len(stampings), per_call):
            some = stampings[start : start + per_call]
            stamped = images[None].repeat(len(some), 1, 1, 1, 1)
            for row, stamping in enumerate(some):
                for block in [stamping] if isinstance(stamping, Block) else stamping:
                    down, right = block.place
                    stamped[row, :, :, down, right] = images.new_tensor(block.colour).view(3, 1, 1)
            inputs = stamped.flatten(0, 1).contiguous(memory_format=self._layout)
            logits = split.logits(split.features(inputs)).view(len(some), len(images), -1)
            parts.append(capped(_leads(logits)))
            if is_reported:
                self._report(len(inputs))
        return torch.cat(parts)


def _distance(one: Block, other: Block) -> float:
    """Between the centres of two blocks, the greater of both directions."""
    down = abs(one.top + one.side / 2 - other.top - other.side / 2)
    right = abs(one.left + one.side / 2 - other.left - other.side / 2)
    return max(down, right)


def _elsewhere(leads: Float[Tensor, "v b k"], victims: Int[Tensor, " v"]) -> Float[Tensor, "v b"]:
    """The highest lead of a class other than the victim."""
    others = leads.scatter(2, victims[:, None, None].expand(*leads.shape[:2], 1), -torch.inf)
    return others.amax(dim=2)


def _in_turn(scene: Scene) -> Int[Tensor, " n"]:
    """Rows of the images to search on, of one class after the other."""
    labels = scene.search.labels
    turns: list[tuple[int, int, int]] = []
    for place, index in enumerate(scene.present):
        rows = (labels == index).nonzero().flatten().tolist()
        turns += [(turn, place, row) for turn, row in enumerate(rows)]
    return labels.new_tensor([row for _, _, row in sorted(turns)])


def _leads(logits: Float[Tensor, "p m k"]) -> Float[Tensor, "p m k"]:
    """Every class's lead over the best other one."""
    top = logits.topk(2, dim=2).values
    best, second = top[..., :1], top[..., 1:]
    leads = logits - torch.where(logits == best, second, best)
    return torch.nan_to_num(leads, nan=-torch.inf, posinf=-torch.inf)
