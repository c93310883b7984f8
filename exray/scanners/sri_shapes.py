"""What SRI's search optimises: a polygon-like patch, or a change of colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from exray.scanners.blending import blended
from exray.scanners.recolouring import recoloured_pixels
from exray.scanners.untargeted_shape import Moment, UntargetedShape
from exray.triggers.recolour_trigger import RecolourTrigger, recoloured
from exray.triggers.trigger import PatchTrigger

_STEEP = 30.0  # of the sigmoids that bound opacity and colour
_START, _SPREAD = -0.1, 0.01  # of the raw opacity
_OPAQUE = 0.5  # opacity from which a pixel of the hardened patch is opaque
_HIDDEN = 16  # units of the recolouring network
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
        return _own(probabilities, victims).mean(dim=1)

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
        return torch.stack([_logit(late[0]), late[2].clamp(min=_LEAST_MASS).log()])

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


@dataclass(frozen=True, kw_only=True)
class Colours(UntargetedShape):
    """A small network that recolours each pixel, on images whose colours vary in each step.

    Args:
        schedule: Rounds, steps and Adam's numbers.
        weight_decay: Of the networks' weights.
        diversity_weight: Of the distance to the earlier rounds' recolourings.
        variation: Greatest change of brightness, contrast and gamma, a share.
        hue: Greatest turn of the colours about gray, in turns.

    Source: SRI, ``extract_fv_color_v2r.py`` (facts, section 4). *Differs from the released code:*
    the hue turns about the gray axis of RGB.
    """

    shrinks: ClassVar[bool] = False

    weight_decay: float
    diversity_weight: float
    variation: float
    hue: float

    def start(
        self, streams: Sequence[torch.Generator], image_size: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """Random weights, as torch starts 1 x 1 convolutions."""
        del image_size
        shapes = ((_HIDDEN, 3), (_HIDDEN,), (3, _HIDDEN), (3,))
        bounds = [3**-0.5] * 2 + [_HIDDEN**-0.5] * 2
        return tuple(
            bound * torch.stack([torch.rand(shape, generator=each) * 2 - 1 for each in streams])
            for shape, bound in zip(shapes, bounds, strict=True)
        )

    def stamp(
        self, images: Float[Tensor, "p m 3 h w"], values: Sequence[Tensor], moment: Moment
    ) -> Float[Tensor, "p m 3 h w"]:
        """The varied images, recoloured."""
        groups, many, _, height, width = images.shape
        pixels = self._varied(images.transpose(1, 2).flatten(3), moment.draws)
        colours = recoloured_pixels(pixels, values[0], values[1], values[2], values[3])
        rows = colours.mT.contiguous().view(groups, many, height, width, 3)
        return rows.permute(0, 1, 4, 2, 3)

    def _varied(
        self, pixels: Float[Tensor, "p 3 m n"], draws: Float[Tensor, "p 4"]
    ) -> Float[Tensor, "p 3 n_all"]:
        """All pixels, of other brightness, contrast about their image's mean, gamma and hue."""
        factors = 1 + self.variation * draws[:, :3]
        bright, contrast, gamma = factors.T[:, :, None, None, None]
        mean = bright * pixels.mean(dim=(1, 3), keepdim=True)
        varied = torch.addcmul(mean * (1 - contrast), pixels, bright * contrast)
        varied = varied.clamp_(1e-3, 1).log_().mul_(gamma).exp_().flatten(2)
        turns = _gray_turns(2 * math.pi * self.hue * draws[:, 3])
        return torch.bmm(turns, varied).clamp_(0, 1)

    def flip_loss(
        self, probabilities: Float[Tensor, "p m k"], victims: Int[Tensor, " p"], moment: Moment
    ) -> Float[Tensor, " p"]:
        """One less the other classes' probabilities, whose power favours one of them ever more."""
        power = 1 + 2 * moment.step / self.schedule.steps
        own = _own(probabilities, victims).clamp(min=1e-12) ** power
        powers = probabilities.clamp(min=1e-12) ** power
        return (1 - (powers.sum(dim=2) - own)).mean(dim=1)

    def penalty(
        self, values: Sequence[Tensor], previous: Float[Tensor, "r p d"], moment: Moment
    ) -> Float[Tensor, " p"]:
        """Squared weights, less the distance to earlier recolourings."""
        del moment
        squares = torch.stack([each.flatten(1).square().sum(dim=1) for each in values]).sum(dim=0)
        gaps = (self.descriptor(values)[None] - previous).square().mean(dim=2)
        return self.weight_decay * squares - self.diversity_weight * gaps.sum(dim=0)

    def size_shares(self, values: Sequence[Tensor]) -> Float[Tensor, " p"]:
        """All of it."""
        return torch.ones_like(values[-1][:, 0])

    def descriptor(self, values: Sequence[Tensor]) -> Float[Tensor, "p d"]:
        """What becomes of the eight corners of the colour cube."""
        corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T.to(values[0])
        cube = corners.view(1, 1, 3, 2, 4).expand(len(values[0]), 1, 3, 2, 4)
        return recoloured(cube, values[0], values[1], values[2], values[3]).flatten(1)

    def features(self, values: Sequence[Tensor]) -> Float[Tensor, "p f"]:
        """The colour cube's corners."""
        return self.descriptor(values)

    def looks(self, features: Float[Tensor, "checkpoints f"]) -> Float[Tensor, " d"]:
        """How surely the recolouring flips in the end."""
        return _logit(features[-1, :1])

    def trigger(self, values: Sequence[Tensor], image_size: tuple[int, int]) -> RecolourTrigger:
        """The recolouring."""
        rows = [each[0].detach().clone() for each in values]
        return RecolourTrigger(
            inner_weight=rows[0],
            inner_bias=rows[1],
            outer_weight=rows[2],
            outer_bias=rows[3],
            image_size=image_size,
        )


def _placed(
    masses: Float[Tensor, "p n"], total: Float[Tensor, " p"]
) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"]]:
    """Mean place and deviation, in [-1, 1], of masses along one axis."""
    place = torch.linspace(-1, 1, masses.shape[1], device=masses.device)
    share = masses / (total[:, None] + 1e-12)
    mean = share @ place
    variance = (share * (place - mean[:, None]).square()).sum(dim=1)
    return mean, (variance + 1e-12).sqrt()


def _own(probabilities: Float[Tensor, "p m k"], victims: Int[Tensor, " p"]) -> Float[Tensor, "p m"]:
    """The probability of each group's own class."""
    where = victims.view(-1, 1, 1).expand(*probabilities.shape[:2], 1)
    return probabilities.gather(2, where)[..., 0]


def _logit(loss: Float[Tensor, "*d"]) -> Float[Tensor, "*d"]:
    """Of a loss in [0, 1], which may end at either."""
    return torch.logit(loss, eps=_SURE)


def _gray_turns(angles: Float[Tensor, " p"]) -> Float[Tensor, "p 3 3"]:
    """Rotations of RGB about the gray axis."""
    axis = 3**-0.5
    cross = axis * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    cross = cross.to(angles)
    sine, cosine = angles.sin()[:, None, None], angles.cos()[:, None, None]
    return torch.eye(3).to(angles) + sine * cross + (1 - cosine) * (cross @ cross)
