"""SRI's polygon-like patch as a trigger shape."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from exray.scanners.inversion.blending import blended
from exray.scanners.sri.shape import Moment, UntargetedShape
from exray.triggers.patch import PatchTrigger

_STEEP = 30.0  # slope of the sigmoids that bound opacity and colour
_START, _SPREAD = -0.1, 0.01  # mean and deviation of the initial raw opacity
_OPAQUE = 0.5  # opacity from which a pixel of the hardened patch is opaque


@dataclass(frozen=True, kw_only=True)
class Polygons(UntargetedShape):
    """An opacity and a colour per pixel, shifted, rotated and scaled at random in each step.

    The loss is the true class's probability, plus size and spread of the patch, which count from
    ``free_steps`` on, and its likeness to the earlier rounds' patches.

    Args:
        schedule: Rounds, steps and Adam's numbers.
        free_steps: Steps before size and spread are penalised.
        size_weight: Weight of the square roots of the mean opacity and of the share of pixels
            touched.
        spread_weight: Weight of the opacity's standard deviation along both axes, in half images.
        likeness_weight: Weight of the cosine similarity to the earlier rounds' patches.
        scale: Greatest change of the patch's size, a share.
        rotation: Greatest rotation, in degrees.
        offset: Greatest shift, in half images.

    Source: SRI, ``extract_fv_v17r.py`` (facts, section 4).
    """

    shrinks: ClassVar[bool] = True

    free_steps: int
    size_weight: float
    spread_weight: float
    likeness_weight: float
    scale: float
    rotation: float
    offset: float

    def start(
        self, streams: Sequence[torch.Generator], image_size: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """Nearly transparent random values; opacity first, then the three colours."""
        drawn = torch.stack([torch.randn(4, *image_size, generator=stream) for stream in streams])
        raw = _SPREAD * drawn
        raw[:, 0] += _START
        return (raw,)

    def stamp(
        self, images: Float[Tensor, "p m 3 h w"], values: Sequence[Tensor], moment: Moment
    ) -> Float[Tensor, "p m 3 h w"]:
        """The images with the augmented patches blended in."""
        patch = torch.sigmoid(_STEEP * values[0])
        grid = F.affine_grid(self._moves(moment.draws), list(patch.shape), align_corners=False)
        moved = F.grid_sample(patch, grid, align_corners=False)  # zeros, transparent, outside
        return blended(images, moved)

    def _moves(self, draws: Float[Tensor, "p 4"]) -> Float[Tensor, "p 2 3"]:
        scale = 1 + self.scale * draws[:, 0]
        angle = math.radians(self.rotation) * draws[:, 1]
        cosine, sine = scale * angle.cos(), scale * angle.sin()
        shift = self.offset * draws[:, 2:]
        upper = torch.stack([cosine, -sine, shift[:, 0]], dim=1)
        return torch.stack([upper, torch.stack([sine, cosine, shift[:, 1]], dim=1)], dim=1)

    def flip_loss(
        self, probabilities: Float[Tensor, "p m k"], victims: Int[Tensor, " p"], moment: Moment
    ) -> Float[Tensor, " p"]:
        """Mean probability of the images' own class."""
        del moment
        return own_probabilities(probabilities, victims).mean(dim=1)

    def penalty(
        self, values: Sequence[Tensor], previous: Float[Tensor, "r p d"], moment: Moment
    ) -> Float[Tensor, " p"]:
        """Size and spread, weighted by the search's progress, and likeness to earlier patches."""
        timed = max(1, self.schedule.steps - self.free_steps)
        progress = max(0.0, (moment.step - self.free_steps) / timed)
        cost = torch.zeros_like(values[0][:, 0, 0, 0])
        if progress > 0:
            touched, mass, width, height = self._form(values[0][:, 0])
            size = self.size_weight * (mass.sqrt() + touched.sqrt())
            cost = progress * (size + self.spread_weight * (width + height))
        if not len(previous):
            return cost
        likeness = F.cosine_similarity(self.descriptor(values)[None], previous, dim=2).sum(dim=0)
        return cost + self.likeness_weight * likeness

    def size_shares(self, values: Sequence[Tensor]) -> Float[Tensor, " p"]:
        """Mean opacity."""
        return torch.sigmoid(_STEEP * values[0][:, 0]).flatten(1).mean(dim=1)

    def descriptor(self, values: Sequence[Tensor]) -> Float[Tensor, "p d"]:
        """Opacity times colour per pixel."""
        patch = torch.sigmoid(_STEEP * values[0])
        return (patch[:, :1] * (patch[:, 1:] - 0.5)).flatten(1)

    def trigger(self, values: Sequence[Tensor], image_size: tuple[int, int]) -> PatchTrigger:
        """The patch with every pixel opaque or untouched."""
        del image_size
        patch = torch.sigmoid(_STEEP * values[0][0].detach())
        return PatchTrigger(mask=(patch[0] > _OPAQUE).to(patch.dtype), pattern=patch[1:])

    @staticmethod
    def _form(raw: Float[Tensor, "p h w"]) -> tuple[Float[Tensor, " p"], ...]:
        """Share of pixels touched at all, mean opacity, its deviation along x and along y."""
        opacity = torch.sigmoid(_STEEP * raw)
        touched = torch.sigmoid(2 * _STEEP * (raw - _START)).flatten(1).mean(dim=1)
        across, down = opacity.sum(dim=1), opacity.sum(dim=2)
        total = down.sum(dim=1)
        width, height = _deviation(across, total), _deviation(down, total)
        return touched, total / raw[0].numel(), width, height  # in this order sum the gradients


def _deviation(masses: Float[Tensor, "p n"], total: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
    """Standard deviation of the position of masses along one axis from -1 to 1."""
    place = torch.linspace(-1, 1, masses.shape[1], device=masses.device)
    share = masses / (total[:, None] + 1e-12)
    mean = share @ place
    variance = (share * (place - mean[:, None]).square()).sum(dim=1)
    return (variance + 1e-12).sqrt()


def own_probabilities(
    probabilities: Float[Tensor, "p m k"], victims: Int[Tensor, " p"]
) -> Float[Tensor, "p m"]:
    """The probability of each image's own class, by group."""
    where = victims.view(-1, 1, 1).expand(*probabilities.shape[:2], 1)
    return probabilities.gather(2, where)[..., 0]
