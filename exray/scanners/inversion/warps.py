"""Warps: a smooth displacement of the image's pixels per candidate."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from exray.scanners.inversion.interfaces import Parametrisation, StampedSet
from exray.seeding import generator
from exray.triggers.warp import WarpTrigger

_SPREAD = 0.05  # of the first logits: without a displacement some images have no gradient


class Warps(Parametrisation):
    """A coarse grid of displacements within a bound per axis, enlarged to the image.

    Between the grid's points the smooth field may exceed the bound a little. Every candidate
    starts from the same slight warp.

    Args:
        count: Number of candidates.
        most: Greatest displacement of the grid's points along either axis in pixels.
        grid: Rows and columns of the grid.
        image_size: Height and width in pixels.
        seed: Of the first warp.
        device: Device of the parameters.

    Source: WaNet, Nguyen and Tran 2021, whose field is drawn and not optimised.
    """

    def __init__(
        self,
        count: int,
        *,
        most: float,
        grid: int,
        image_size: tuple[int, int],
        seed: int,
        device: torch.device,
    ) -> None:
        stream = generator(seed, "warps")
        logits = _SPREAD * torch.randn(1, 2, grid, grid, generator=stream)
        self._logits = logits.repeat(count, 1, 1, 1).to(device)
        self._most = most
        self._image_size = image_size
        height, width = image_size
        identity = F.affine_grid(
            torch.eye(2, 3, device=device)[None], [1, 1, height, width], align_corners=True
        )
        self._identity = identity[0]
        self._scale = torch.tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)], device=device)

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Logits of the grids: rows, then columns."""
        return (self._logits,)

    def prepared(self, images: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m 3 h w"]:
        """The images as they are."""
        return images

    def stamp(self, prepared: Float[Tensor, "p m c h w"], rows: Sequence[Tensor]) -> StampedSet:
        """The warped images."""
        fields = self._fields(rows[0])
        steps = (
            fields.flip(1).permute(0, 2, 3, 1) * self._scale
        )  # columns first, as grid_sample has it
        grids = (self._identity + steps)[:, None].expand(-1, prepared.shape[1], -1, -1, -1)
        stamped = F.grid_sample(
            prepared.flatten(0, 1),
            grids.flatten(0, 1),
            mode="bilinear",
            padding_mode="border",
            align_corners=True,
        )
        size = fields.abs().flatten(1).mean(dim=1)
        return StampedSet(
            images=stamped.view_as(prepared),
            size=size,
            measure=size.detach(),
            counted=size.detach(),
        )

    def trigger(self, rows: Sequence[Tensor]) -> WarpTrigger:
        """The warp."""
        return WarpTrigger(displacement=self._fields(rows[0].detach())[0].clone())

    def _fields(self, logits: Float[Tensor, "p 2 i j"]) -> Float[Tensor, "p 2 h w"]:
        """Displacements in pixels."""
        grids = self._most * torch.tanh(logits)
        return F.interpolate(grids, size=self._image_size, mode="bicubic", align_corners=True)
