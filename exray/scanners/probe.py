"""Where and in which colour to start a patch: coloured squares tried on the victim's images."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from exray.models.splitting import SplitClassifier
from exray.scanners.stimulation import Candidate

_LEVELS = (0.02, 0.5, 0.98)  # of each colour channel; short of 0 and 1, where tanh has no slope
# From the image's centre, in shares of its sides: the centre, around it, and the four corners.
_SHIFTS = ((0.0, 0.0), *product((-0.15, 0.15), repeat=2), *product((-0.5, 0.5), repeat=2))


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a candidate's patch begins.

    Args:
        colour: RGB in (0, 1).
        top: First row of the square.
        left: First column of the square.
    """

    colour: tuple[float, float, float]
    top: int
    left: int


def best_starts(
    split: SplitClassifier,
    candidates: Sequence[Candidate],
    images: dict[int, Float[Tensor, "n 3 h w"]],
    *,
    side: int,
    num_images: int,
) -> list[Start]:
    """For every candidate the coloured square that lifts its target's logit lead most.

    Gradients move a patch's colour badly: from a random colour many runs end in another local
    optimum than the injected trigger. Trying 27 colours at 9 places costs forward passes only,
    and serves all targets of a victim at once.

    Args:
        split: The classifier.
        candidates: Victim, target and channel of each.
        images: Victim images by class.
        side: The square's side in pixels.
        num_images: Images of each victim that are tried.
    """
    height, width = next(iter(images.values())).shape[-2:]
    starts = _starts(height, width, side)
    leads = {
        victim: _leads(split, images[victim][:num_images], starts, side)
        for victim in sorted({victim for victim, _, _ in candidates})
    }
    return [starts[int(leads[victim][:, target].argmax())] for victim, target, _ in candidates]


def _starts(height: int, width: int, side: int) -> list[Start]:
    places = [
        (
            min(max(int((height - side) / 2 + down * height), 0), height - side),
            min(max(int((width - side) / 2 + right * width), 0), width - side),
        )
        for down, right in _SHIFTS
    ]
    return [
        Start(colour=(red, green, blue), top=top, left=left)
        for red, green, blue in product(_LEVELS, repeat=3)
        for top, left in places
    ]


@torch.no_grad()
def _leads(
    split: SplitClassifier, images: Float[Tensor, "n 3 h w"], starts: Sequence[Start], side: int
) -> Float[Tensor, "starts k"]:
    """Mean lead of every class over the best other one, for every start."""
    stamped = images[None].repeat(len(starts), 1, 1, 1, 1)
    for row, start in enumerate(starts):
        rows, columns = slice(start.top, start.top + side), slice(start.left, start.left + side)
        colour = images.new_tensor(start.colour).view(3, 1, 1)
        stamped[row, :, :, rows, columns] = colour
    logits = split.classifier.predict(stamped.flatten(0, 1)).view(len(starts), len(images), -1)
    top = logits.topk(2, dim=2)
    best, second = top.values[..., :1], top.values[..., 1:]
    others = torch.where(logits == best, second, best)
    return (logits - others).mean(dim=1)
