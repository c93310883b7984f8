"""Square patches that stay where they are put: only their pattern is optimised."""

from collections.abc import Sequence
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from exray.scanners.inversion.blending import blended
from exray.scanners.inversion.interfaces import Parametrisation, StampedSet
from exray.triggers.patch import PatchTrigger

_FULL = 1.5  # pattern logit of a colour at its end of the range; tanh is 0.9 there
_IS_IN = 0.5


class SquarePatches(Parametrisation):
    """A free pattern in a square of the image.

    A trigger that somebody stamps is a compact patch; the pixels that a natural trigger needs are
    not. So a square costs injected triggers nothing, and natural ones much. Its place is no
    parameter that a gradient moves: whoever optimises puts it where something gave way.

    Args:
        count: Number of candidates.
        image_size: Height and width in pixels.
        side: Of the squares, in pixels.
        device: Device of the parameters.

    Attributes:
        side: Of the squares, as they are now.

    Source: none.
    """

    def __init__(
        self, count: int, *, image_size: tuple[int, int], side: int, device: torch.device
    ) -> None:
        self._masks = torch.zeros(count, 1, *image_size, device=device)
        self._masks[:, :, :side, :side] = 1.0
        self._pattern_logits = torch.zeros(count, 3, *image_size, device=device)
        self.side = side

    def put(self, place: int, rows: slice, columns: slice, colour: Sequence[float]) -> None:
        """Centres a candidate's square on a block and gives the block its colour.

        Args:
            place: Which candidate.
            rows: Of the block.
            columns: Of the block.
            colour: RGB in [0, 1].
        """
        height, width = self._masks.shape[-2:]
        top = (rows.start + rows.stop - self.side) // 2
        left = (columns.start + columns.stop - self.side) // 2
        self._cover(
            place, max(0, min(top, height - self.side)), max(0, min(left, width - self.side))
        )
        logits = self._pattern_logits.new_tensor(colour).sub(0.5).mul(2 * _FULL)
        self._pattern_logits[place, :, rows, columns] = logits[:, None, None]

    def within(self, place: int, side: int) -> Float[Tensor, "s 1 h w"]:
        """Masks of smaller squares in a candidate's square: in its corners, on its edges, within.

        Args:
            place: Which candidate.
            side: Of the smaller squares, in pixels.
        """
        inside = self._masks[place, 0].nonzero()
        top, left = inside.amin(dim=0).tolist()
        spare = max(0, self.side - side)
        shifts = sorted({0, spare // 2, spare})
        masks = self._masks.new_zeros(len(shifts) ** 2, *self._masks.shape[1:])
        for row, (down, right) in enumerate(product(shifts, shifts)):
            masks[row, 0, top + down : top + down + side, left + right : left + right + side] = 1.0
        return masks

    def shrink(self, place: int, mask: Float[Tensor, "1 h w"]) -> None:
        """Gives a candidate another square.

        Args:
            place: Which candidate.
            mask: One of ``within``.
        """
        self._masks[place] = mask

    def row(self, place: int, masks: Float[Tensor, "s 1 h w"]) -> tuple[Tensor, Tensor]:
        """A candidate's parameters with each of some masks in the place of its own."""
        return masks, self._pattern_logits[place].expand(len(masks), -1, -1, -1)

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Masks, which get no gradient, and logits of the patterns."""
        return self._masks, self._pattern_logits

    def prepared(self, images: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m 3 h w"]:
        """The images, each pixel's colours together in memory."""
        return images.contiguous(memory_format=torch.channels_last)

    def stamp(self, prepared: Float[Tensor, "p m c h w"], rows: Sequence[Tensor]) -> StampedSet:
        """The images with the squares in them."""
        masks, logits = rows
        hard = (masks.detach() > _IS_IN).to(masks.dtype) + 0.0 * masks
        pixels = hard.detach().flatten(1).sum(dim=1)
        patterns = torch.tanh(logits) / 2 + 0.5
        return StampedSet(
            images=blended(prepared, torch.cat([hard, patterns], dim=1)),
            size=pixels,
            measure=pixels,
            counted=pixels,
        )

    def trigger(self, rows: Sequence[Tensor]) -> PatchTrigger:
        """The square with its pattern."""
        masks, logits = rows
        pattern = torch.tanh(logits[0].detach()) / 2 + 0.5
        return PatchTrigger(mask=(masks[0, 0].detach() > _IS_IN).float(), pattern=pattern.clone())

    def _cover(self, place: int, top: int, left: int) -> None:
        self._masks[place] = 0.0
        self._masks[place, :, top : top + self.side, left : left + self.side] = 1.0
