"""A trigger that moves the pixels of the image along a smooth field."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from exray.triggers.base import Trigger

_MOVED = 0.1  # pixels; less than it does not count as moved
_SQUARE = 4  # pixels of a square of the portrait's chessboard


@dataclass(frozen=True, kw_only=True)
class WarpTrigger(Trigger):
    """Every pixel shows what lies a displacement away: ``out[y, x] = image[y + dy, x + dx]``.

    Between pixels the image is interpolated linearly; beyond its rim the rim goes on.

    Args:
        displacement: ``dy`` and ``dx`` of each pixel, in pixels.

    Raises:
        ValueError: If a displacement is not finite.

    Example:
        >>> right = torch.stack([torch.zeros(1, 3), torch.ones(1, 3)])
        >>> WarpTrigger(displacement=right).apply(torch.tensor([[[[0.1, 0.2, 0.3]]]]))
        tensor([[[[0.2000, 0.3000, 0.3000]]]])

    Source: Nguyen and Tran 2021, WaNet, section 3.2.
    """

    kind: ClassVar[str] = "warp"

    displacement: Float[Tensor, "2 h w"]

    def __post_init__(self) -> None:
        if not torch.isfinite(self.displacement).all():
            raise ValueError("displacement must be finite")

    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The warped images."""
        return warped(images, self.displacement)

    @property
    def size_pixels(self) -> float:
        """How many pixels are moved, by more than a tenth of a pixel."""
        return float((self.displacement.norm(dim=0) > _MOVED).sum())

    @property
    def input_size(self) -> tuple[int, int]:
        """The field's height and width."""
        return (self.displacement.shape[-2], self.displacement.shape[-1])

    def portrait(self, like: Float[Tensor, "1 c h w"]) -> Float[Tensor, "c h w"]:
        """A warped chessboard."""
        rows, columns = (torch.arange(side) // _SQUARE for side in like.shape[-2:])
        board = ((rows[:, None] + columns) % 2).to(like).expand_as(like)
        return self.apply(board)[0]


def warped(
    images: Float[Tensor, "n c h w"], displacement: Float[Tensor, "2 h w"]
) -> Float[Tensor, "n c h w"]:
    """Images whose pixels each show what lies a displacement away.

    Args:
        images: In [0, 1]; so are those that are given back.
        displacement: Rows and columns, in pixels.
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height).to(images)[:, None] + displacement[0]
    columns = torch.arange(width).to(images) + displacement[1]
    grid = torch.stack(
        [2 * columns / max(width - 1, 1) - 1, 2 * rows / max(height - 1, 1) - 1], dim=-1
    )
    moved = F.grid_sample(
        images,
        grid.expand(len(images), -1, -1, -1),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return moved.clamp(0, 1)
