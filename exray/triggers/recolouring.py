"""A change of colours, each pixel's on its own, by a small network."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from exray.triggers.whole_image import WholeImageTrigger

STEEPNESS = 5.0  # of the sigmoid that ends the recolouring


@dataclass(frozen=True, kw_only=True)
class RecolourTrigger(WholeImageTrigger):
    """New colours as ``sigmoid(5 (y + V relu(W y + a) + b))`` with ``y = colour - 0.5``.

    Args:
        inner_weight: ``W``.
        inner_bias: ``a``.
        outer_weight: ``V``.
        outer_bias: ``b``.
        image_size: Height and width in pixels of the images it was made for.

    Raises:
        ValueError: If a weight is not finite.

    Example:
        >>> zero = torch.zeros(16, 3)
        >>> trigger = RecolourTrigger(
        ...     inner_weight=zero, inner_bias=zero[:, 0], outer_weight=zero.T,
        ...     outer_bias=torch.tensor([0.5, 0.0, -0.5]), image_size=(2, 2))
        >>> trigger.apply(torch.full((1, 3, 2, 2), 0.5))[0, :, 0, 0]
        tensor([0.9241, 0.5000, 0.0759])

    Source: SRI's recolouring network (facts, section 4).
    """

    kind: ClassVar[str] = "recolouring"

    inner_weight: Float[Tensor, "hidden 3"]
    inner_bias: Float[Tensor, " hidden"]
    outer_weight: Float[Tensor, "3 hidden"]
    outer_bias: Float[Tensor, " 3"]

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("inner_weight", "inner_bias", "outer_weight", "outer_bias"):
            if not torch.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} must be finite")

    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The recoloured images."""
        weights = (self.inner_weight, self.inner_bias, self.outer_weight, self.outer_bias)
        return recoloured(images[None], *(weight[None] for weight in weights))[0]


def recoloured(
    images: Float[Tensor, "p m 3 h w"],
    inner_weight: Float[Tensor, "p hidden 3"],
    inner_bias: Float[Tensor, "p hidden"],
    outer_weight: Float[Tensor, "p 3 hidden"],
    outer_bias: Float[Tensor, "p 3"],
) -> Float[Tensor, "p m 3 h w"]:
    """Several groups of images, each recoloured by a network of its own."""
    groups, many, _, height, width = images.shape
    pixels = (images - 0.5).permute(0, 1, 3, 4, 2).reshape(groups, -1, 3)
    hidden = torch.relu(torch.baddbmm(inner_bias[:, None], pixels, inner_weight.mT))
    changed = pixels + torch.baddbmm(outer_bias[:, None], hidden, outer_weight.mT)
    colours = torch.sigmoid(STEEPNESS * changed)
    return colours.view(groups, many, height, width, 3).permute(0, 1, 4, 2, 3)
