"""SRI's recolouring of pixels as a trigger shape."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.scanners.sri.pixel_network import recoloured_pixels
from exray.scanners.sri.polygons import own_probabilities
from exray.scanners.sri.shape import Moment, UntargetedShape
from exray.triggers.recolouring import RecolourTrigger, recoloured

_HIDDEN = 16  # units of the recolouring network


@dataclass(frozen=True, kw_only=True)
class Recolourings(UntargetedShape):
    """A small network that recolours each pixel, on images of randomly varied colours.

    Args:
        schedule: Rounds, steps and Adam's numbers.
        weight_decay: Weight of the networks' squared weights.
        diversity_weight: Weight of the distance to the earlier rounds' recolourings.
        variation: Greatest change of brightness, contrast and gamma, a share.
        hue: Greatest rotation of the hue, in turns.

    Source: SRI, ``extract_fv_color_v2r.py`` (facts, section 4). *Differs from the released code:*
    the hue rotates about the gray axis of RGB.
    """

    shrinks: ClassVar[bool] = False

    weight_decay: float
    diversity_weight: float
    variation: float
    hue: float

    def start(
        self, streams: Sequence[torch.Generator], image_size: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """Random weights, distributed as torch initialises 1 x 1 convolutions."""
        del image_size
        shapes = ((_HIDDEN, 3), (_HIDDEN,), (3, _HIDDEN), (3,))
        bounds = [3**-0.5] * 2 + [_HIDDEN**-0.5] * 2
        return tuple(
            bound * torch.stack([torch.rand(shape, generator=stream) * 2 - 1 for stream in streams])
            for shape, bound in zip(shapes, bounds, strict=True)
        )

    def stamp(
        self, images: Float[Tensor, "p m 3 h w"], values: Sequence[Tensor], moment: Moment
    ) -> Float[Tensor, "p m 3 h w"]:
        """The varied images, recoloured."""
        groups, per_group, _, height, width = images.shape
        pixels = self._varied(images.transpose(1, 2).flatten(3), moment.draws)
        colours = recoloured_pixels(pixels, values[0], values[1], values[2], values[3])
        rows = colours.mT.contiguous().view(groups, per_group, height, width, 3)
        return rows.permute(0, 1, 4, 2, 3)

    def _varied(
        self, pixels: Float[Tensor, "p 3 m n"], draws: Float[Tensor, "p 4"]
    ) -> Float[Tensor, "p 3 n_all"]:
        """All pixels with varied brightness, contrast about the image's mean, gamma and hue."""
        factors = 1 + self.variation * draws[:, :3]
        bright, contrast, gamma = factors.T[:, :, None, None, None]
        mean = bright * pixels.mean(dim=(1, 3), keepdim=True)
        varied = torch.addcmul(mean * (1 - contrast), pixels, bright * contrast)
        varied = varied.clamp_(1e-3, 1).log_().mul_(gamma).exp_().flatten(2)
        rotations = _hue_rotations(2 * math.pi * self.hue * draws[:, 3])
        return torch.bmm(rotations, varied).clamp_(0, 1)

    def flip_loss(
        self, probabilities: Float[Tensor, "p m k"], victims: Int[Tensor, " p"], moment: Moment
    ) -> Float[Tensor, " p"]:
        """One minus the summed powers of the other classes' probabilities.

        The power grows with the step, which favours a single target more and more.
        """
        power = 1 + 2 * moment.step / self.schedule.steps
        own = own_probabilities(probabilities, victims).clamp(min=1e-12) ** power
        powers = probabilities.clamp(min=1e-12) ** power
        return (1 - (powers.sum(dim=2) - own)).mean(dim=1)

    def penalty(
        self, values: Sequence[Tensor], previous: Float[Tensor, "r p d"], moment: Moment
    ) -> Float[Tensor, " p"]:
        """Squared weights, minus the distance to earlier recolourings."""
        del moment
        squares = torch.stack([value.flatten(1).square().sum(dim=1) for value in values]).sum(dim=0)
        gaps = (self.descriptor(values)[None] - previous).square().mean(dim=2)
        return self.weight_decay * squares - self.diversity_weight * gaps.sum(dim=0)

    def size_shares(self, values: Sequence[Tensor]) -> Float[Tensor, " p"]:
        """1: a recolouring covers the whole image."""
        return torch.ones_like(values[-1][:, 0])

    def descriptor(self, values: Sequence[Tensor]) -> Float[Tensor, "p d"]:
        """The recoloured eight corners of the RGB cube."""
        corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T.to(values[0])
        cube = corners.view(1, 1, 3, 2, 4).expand(len(values[0]), 1, 3, 2, 4)
        return recoloured(cube, values[0], values[1], values[2], values[3]).flatten(1)

    def trigger(self, values: Sequence[Tensor], image_size: tuple[int, int]) -> RecolourTrigger:
        """The recolouring."""
        rows = [value[0].detach().clone() for value in values]
        return RecolourTrigger(
            inner_weight=rows[0],
            inner_bias=rows[1],
            outer_weight=rows[2],
            outer_bias=rows[3],
            image_size=image_size,
        )


def _hue_rotations(angles: Float[Tensor, " p"]) -> Float[Tensor, "p 3 3"]:
    """Rotations of RGB about the gray axis."""
    axis = 3**-0.5
    cross = axis * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    cross = cross.to(angles)
    sine, cosine = angles.sin()[:, None, None], angles.cos()[:, None, None]
    return torch.eye(3).to(angles) + sine * cross + (1 - cosine) * (cross @ cross)
