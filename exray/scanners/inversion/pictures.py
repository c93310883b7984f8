"""Pictures blended into the whole image at a fixed opacity, coarse or fine."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from exray.scanners.inversion.blending import blended
from exray.scanners.inversion.interfaces import Parametrisation, StampedSet
from exray.triggers.patch import PatchTrigger


class Pictures(Parametrisation):
    """A picture per candidate, ``x (1 - opacity) + picture opacity``, grey at first.

    No pixel changes by more than the opacity. A coarse grid holds low frequencies only, which an
    injected picture keeps and adversarial noise hardly uses.

    Args:
        count: Number of candidates.
        opacity: Share of the picture in the image, in (0, 1].
        grid: Rows and columns of the picture before it is enlarged to the image.
        image_size: Height and width in pixels.
        device: Device of the parameters.

    Source: blended triggers, Chen et al. 2017.
    """

    def __init__(
        self,
        count: int,
        *,
        opacity: float,
        grid: tuple[int, int],
        image_size: tuple[int, int],
        device: torch.device,
    ) -> None:
        self._logits = torch.zeros(count, 3, *grid, device=device)
        self._opacity = opacity
        self._image_size = image_size

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Logits of the pictures' grids."""
        return (self._logits,)

    def prepared(self, images: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m 3 h w"]:
        """The images, each pixel's colours together in memory."""
        return images.contiguous(memory_format=torch.channels_last)

    def stamp(self, prepared: Float[Tensor, "p m c h w"], rows: Sequence[Tensor]) -> StampedSet:
        """The images with the pictures blended in."""
        pictures = self._pictures(rows[0])
        masks = pictures.new_full((len(pictures), 1, *self._image_size), self._opacity)
        size = masks.flatten(1).sum(dim=1)
        return StampedSet(
            images=blended(prepared, torch.cat([masks, pictures], dim=1)),
            size=size,
            measure=size,
            counted=size,
        )

    def trigger(self, rows: Sequence[Tensor]) -> PatchTrigger:
        """The picture as a mask of one opacity."""
        picture = self._pictures(rows[0].detach())[0]
        mask = picture.new_full(self._image_size, self._opacity)
        return PatchTrigger(mask=mask, pattern=picture.clamp(0, 1).clone())

    def _pictures(self, logits: Float[Tensor, "p 3 i j"]) -> Float[Tensor, "p 3 h w"]:
        grids = torch.tanh(logits) / 2 + 0.5
        return F.interpolate(grids, size=self._image_size, mode="bilinear", align_corners=False)
