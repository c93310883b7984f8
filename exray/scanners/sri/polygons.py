"""What SRI's search optimises: a polygon-like patch, or a change of colours."""

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

_STEEP = 30.0  # of the sigmoids that bound opacity and colour


_START, _SPREAD = -0.1, 0.01  # of the raw opacity


_OPAQUE = 0.5  # opacity from which a pixel of the hardened patch is opaque


_SURE = 0.02  # losses nearer to 0 or 1 count as this far from it


_LEAST_MASS = 1e-3  # mean opacity below which patches count as alike in size


@dataclass(frozen=True, kw_only=True)
class Polygons(UntargetedShape):
    """An opacity and a colour for each pixel, moved, turned and scaled anew in each step.

    The loss is the true class' probability, plus size and spread of the patch, which count from
    ``free_steps`` on, and its likeness to the earlier rounds' patches.

    Args:
        schedule: Rounds, steps and Adam's numbers.
        free_steps: Steps before size and spread begin to count.
        size_weight: Of the roots of the mean opacity and of the share of pixels touched.
        spread_weight: Of the opacity's deviation along both axes, in half images.
        likeness_weight: Of the cosine similarity to the earlier rounds' patches.
        scale: Greatest change of the patch's size, a share.
        rotation: Greatest turn, in degrees.
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
        """Next to transparent, of no colour in particular; opacity first, then the colour."""
        drawn = torch.stack([torch.randn(4, *image_size, generator=each) for each in streams])
        raw = _SPREAD * drawn
        raw[:, 0] += _START
        return (raw,)

    def stamp(
        self, images: Float[Tensor, "p m 3 h w"], values: Sequence[Tensor], moment: Moment
    ) -> Float[Tensor, "p m 3 h w"]:
        """The images with the moved patches blended in."""
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
        """Size and spread by how far the search is, and likeness to earlier patches."""
        timed = max(1, self.schedule.steps - self.free_steps)
        progress = max(0.0, (moment.step - self.free_steps) / timed)
        cost = torch.zeros_like(values[0][:, 0, 0, 0])
        if progress > 0:
            area, mass, _, _, across, down = self._form(values[0][:, 0])
            size = self.size_weight * (mass.sqrt() + area.sqrt())
            cost = progress * (size + self.spread_weight * (across + down))
        if not len(previous):
            return cost
        likeness = F.cosine_similarity(self.descriptor(values)[None], previous, dim=2).sum(dim=0)
        return cost + self.likeness_weight * likeness

    def size_shares(self, values: Sequence[Tensor]) -> Float[Tensor, " p"]:
        """Mean opacity."""
        return torch.sigmoid(_STEEP * values[0][:, 0]).flatten(1).mean(dim=1)

    def descriptor(self, values: Sequence[Tensor]) -> Float[Tensor, "p d"]:
        """Opaque colours, pixel by pixel."""
        patch = torch.sigmoid(_STEEP * values[0])
        return (patch[:, :1] * (patch[:, 1:] - 0.5)).flatten(1)

    def features(self, values: Sequence[Tensor]) -> Float[Tensor, "p f"]:
        """Area, mass, centre and deviation along both axes."""
        return torch.stack(self._form(values[0][:, 0]), dim=1)

    def looks(self, features: Float[Tensor, "checkpoints f"]) -> Float[Tensor, " d"]:
        """How surely the patch flips and how small it is, over the later half of the search.

        Single checkpoints scatter with the patch's place in that step, and dozens of numbers a
        patch drown these two where a fit sees a dozen classifiers.
        """
        late = features[len(features) // 2 :].mean(dim=0)
        return torch.stack([logit_of_loss(late[0]), late[2].clamp(min=_LEAST_MASS).log()])

    def trigger(self, values: Sequence[Tensor], image_size: tuple[int, int]) -> PatchTrigger:
        """The patch with every pixel opaque or untouched."""
        del image_size
        patch = torch.sigmoid(_STEEP * values[0][0].detach())
        return PatchTrigger(mask=(patch[0] > _OPAQUE).to(patch.dtype), pattern=patch[1:])

    @staticmethod
    def _form(raw: Float[Tensor, "p h w"]) -> tuple[Float[Tensor, " p"], ...]:
        """Share of pixels touched at all, mean opacity, its centre and deviation along x and y."""
        opacity = torch.sigmoid(_STEEP * raw)
        touched = torch.sigmoid(2 * _STEEP * (raw - _START)).flatten(1).mean(dim=1)
        across, down = opacity.sum(dim=1), opacity.sum(dim=2)
        total = down.sum(dim=1)
        x, width = _placed(across, total)
        y, height = _placed(down, total)
        return touched, total / raw[0].numel(), x, y, width, height


def _placed(
    masses: Float[Tensor, "p n"], total: Float[Tensor, " p"]
) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"]]:
    """Mean place and deviation, in [-1, 1], of masses along one axis."""
    place = torch.linspace(-1, 1, masses.shape[1], device=masses.device)
    share = masses / (total[:, None] + 1e-12)
    mean = share @ place
    variance = (share * (place - mean[:, None]).square()).sum(dim=1)
    return mean, (variance + 1e-12).sqrt()


def own_probabilities(
    probabilities: Float[Tensor, "p m k"], victims: Int[Tensor, " p"]
) -> Float[Tensor, "p m"]:
    """The probability of each group's own class."""
    where = victims.view(-1, 1, 1).expand(*probabilities.shape[:2], 1)
    return probabilities.gather(2, where)[..., 0]


def logit_of_loss(loss: Float[Tensor, "*d"]) -> Float[Tensor, "*d"]:
    """Of a loss in [0, 1], which may end at either."""
    return torch.logit(loss, eps=_SURE)
