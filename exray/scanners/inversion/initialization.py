"""Initial place and colour of a patch, by trying coloured squares on the victim's images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.inversion.batching import fastest_layout, pixels_per_call
from exray.scanners.validation import require_count

_LEVELS = (0.02, 0.5, 0.98)  # per colour channel; short of 0 and 1, where tanh has no slope
# Offsets from the image's centre, in shares of its sides: the centre, around it, four corners.
_SHIFTS = ((0.0, 0.0), *product((-0.15, 0.15), repeat=2), *product((-0.5, 0.5), repeat=2))


@dataclass(frozen=True, kw_only=True)
class Start:
    """The initial square of a candidate's patch.

    Args:
        colour: RGB in (0, 1).
        top: First row of the square.
        left: First column of the square.
        lead: The target's mean logit lead over the best other class with this square.
    """

    colour: tuple[float, float, float]
    top: int
    left: int
    lead: float


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """How coloured squares are tried.

    Args:
        images: Images per victim on which the best squares are compared.
        finalists: Squares per target that are tried on all of them, not only on the first.
        targets_per_victim: Targets per victim that are inverted, those with the best squares.

    Raises:
        ValueError: If one is below 1.
    """

    images: int
    finalists: int
    targets_per_victim: int

    def __post_init__(self) -> None:
        for name in ("images", "finalists", "targets_per_victim"):
            require_count(name, getattr(self, name))


@torch.no_grad()
def ranked_starts(
    split: SplitClassifier,
    images: Float[Tensor, "n 3 h w"],
    targets: Sequence[int],
    *,
    side: int,
    settings: ProbeSettings,
    count: int,
) -> list[list[Start]]:
    """Per target the coloured squares with the highest logit leads, at different places.

    Gradients hardly move a patch's colour: from a random colour many runs end in another local
    optimum than the injected trigger. Trying 27 colours at 9 places costs forward passes only,
    and serves all targets of a victim at once. All squares are tried on one image; each target's
    best of them on more.

    Args:
        split: The classifier.
        images: Clean images of the victim.
        targets: Target classes.
        side: The square's side in pixels.
        settings: Numbers of images and squares.
        count: Squares per target, as far as there are finalists: first the best of each place.
    """
    height, width = images.shape[-2:]
    squares = _squares(height, width, side)
    columns = list(targets)
    first = _leads(split, images[:1], squares, side)[:, columns]
    top = first.topk(min(settings.finalists, len(squares)), dim=0).indices
    finalists = sorted(set(top.flatten().tolist()))
    compared = [squares[place] for place in finalists]
    leads = _leads(split, images[: settings.images], compared, side)[:, columns]
    ranked = []
    for column in leads.T.tolist():
        order = sorted(range(len(column)), key=lambda place: -column[place])
        starts = [replace(compared[place], lead=column[place]) for place in order]
        places: dict[tuple[int, int], int] = {}
        for rank, start in enumerate(starts):
            places.setdefault((start.top, start.left), rank)
        firsts = list(places.values())
        ranks = [*firsts, *(rank for rank in range(len(starts)) if rank not in firsts)]
        ranked.append([starts[rank] for rank in ranks[:count]])
    return ranked


def _squares(height: int, width: int, side: int) -> list[Start]:
    places = [
        (
            min(max(int((height - side) / 2 + down * height), 0), height - side),
            min(max(int((width - side) / 2 + right * width), 0), width - side),
        )
        for down, right in _SHIFTS
    ]
    return [
        Start(colour=(red, green, blue), top=top, left=left, lead=-torch.inf)
        for red, green, blue in product(_LEVELS, repeat=3)
        for top, left in places
    ]


def _leads(
    split: SplitClassifier, images: Float[Tensor, "n 3 h w"], starts: Sequence[Start], side: int
) -> Float[Tensor, "starts k"]:
    """Mean logit lead of every class over the best other one, per start."""
    stamped = images[None].repeat(len(starts), 1, 1, 1, 1)
    for row, start in enumerate(starts):
        rows, columns = slice(start.top, start.top + side), slice(start.left, start.left + side)
        colour = images.new_tensor(start.colour).view(3, 1, 1)
        stamped[row, :, :, rows, columns] = colour
    layout = fastest_layout(split, images)
    stamped = stamped.flatten(0, 1).contiguous(memory_format=layout)
    per_call = max(1, pixels_per_call(images.device) // stamped[0, 0].numel())
    parts = torch.split(stamped, per_call)
    logits = torch.cat([split.logits(split.features(part)) for part in parts])
    logits = logits.view(len(starts), len(images), -1)
    top = logits.topk(2, dim=2)
    best, second = top.values[..., :1], top.values[..., 1:]
    others = torch.where(logits == best, second, best)
    leads = (logits - others).mean(dim=1)
    return torch.nan_to_num(leads, nan=-torch.inf, posinf=-torch.inf)  # NaN would rank first
