"""Patches: a mask and a pattern per candidate, of one colour or one colour per pixel."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from exray.scanners.inversion.blending import blended
from exray.scanners.inversion.initialization import Start
from exray.scanners.inversion.interfaces import Candidate, Parametrisation, StampedSet
from exray.seeding import generator
from exray.triggers.patch import OPACITY_BAR, PatchTrigger

Pattern = Literal["colour", "free"]

_INSIDE, _OUTSIDE = 2.0, -4.0  # initial logits of the mask inside and outside the square
_COUNTED = 0.01  # opacity from which a pixel counts towards the bound while optimising


class Patches(Parametrisation):
    """Mask and pattern as ``tanh(logit) / 2 + 1/2``, stamped as ``x (1 - mask) + pattern mask``.

    Args:
        mask_logits: One mask per candidate.
        pattern_logits: One pattern per candidate; a single pixel is one colour everywhere.

    Source: ABS; Neural Cleanse, section IV-B (facts, sections 2.2 and 3).
    """

    def __init__(
        self,
        mask_logits: Float[Tensor, "candidates 1 h w"],
        pattern_logits: Float[Tensor, "candidates 3 i j"],
    ) -> None:
        self._mask_logits = mask_logits
        self._pattern_logits = pattern_logits

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Logits of the masks, logits of the patterns."""
        return self._mask_logits, self._pattern_logits

    def prepared(self, images: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m 3 h w"]:
        """The images, each pixel's colours together in memory."""
        return images.contiguous(memory_format=torch.channels_last)

    def stamp(self, prepared: Float[Tensor, "p m c h w"], rows: Sequence[Tensor]) -> StampedSet:
        """The images with the patches blended in."""
        masks, patterns = (torch.tanh(logits) / 2 + 0.5 for logits in rows)
        colours = patterns.expand(-1, -1, *masks.shape[2:])
        opacity = masks.detach().flatten(1)
        return StampedSet(
            images=blended(prepared, torch.cat([masks, colours], dim=1)),
            size=masks.flatten(1).sum(dim=1),
            measure=(opacity > OPACITY_BAR).sum(dim=1).to(masks.dtype),
            counted=(opacity > _COUNTED).sum(dim=1).to(masks.dtype),
        )

    def trigger(self, rows: Sequence[Tensor]) -> PatchTrigger:
        """The patch with every pixel opaque or untouched."""
        mask, pattern = (torch.tanh(logits[0].detach()) / 2 + 0.5 for logits in rows)
        mask = (mask[0] > OPACITY_BAR).to(mask.dtype)
        return PatchTrigger(mask=mask, pattern=pattern.expand(3, *mask.shape).clone())


def square_patches(
    candidates: Sequence[Candidate],
    starts: Sequence[Start],
    *,
    side: int,
    image_size: tuple[int, int],
    pattern: Pattern,
    seed: int,
    device: torch.device,
) -> Patches:
    """Opaque squares with the probe's places and colours; a free pattern gets a little noise.

    Args:
        candidates: The candidates.
        starts: Place and colour per candidate.
        side: Of the squares, in pixels.
        image_size: Height and width.
        pattern: ``colour`` or ``free``.
        seed: Of the noise; each candidate has its own stream.
        device: Device of the parameters.
    """
    masks = torch.full((len(starts), 1, *image_size), _OUTSIDE)
    for mask, start in zip(masks, starts, strict=True):
        mask[:, start.top : start.top + side, start.left : start.left + side] = _INSIDE
    colours = torch.tensor([start.colour for start in starts])
    patterns = torch.atanh(2 * colours - 1)[:, :, None, None]
    if pattern == "free":
        streams = [
            generator(seed, "pattern", *candidate.victims, candidate.target, candidate.restart)
            for candidate in candidates
        ]
        noise = torch.stack([torch.randn(3, *image_size, generator=stream) for stream in streams])
        patterns = patterns + 0.1 * noise
    return Patches(masks.to(device), patterns.to(device))


def random_patches(
    candidates: Sequence[Candidate],
    *,
    image_size: tuple[int, int],
    seed: int,
    device: torch.device,
) -> Patches:
    """Masks and free patterns drawn uniformly from (0, 1), each candidate's from its own stream.

    Args:
        candidates: The candidates.
        image_size: Height and width.
        seed: Of the draws.
        device: Device of the parameters.

    Source: Neural Cleanse's released code (facts, section 3).
    """
    draws = []
    for candidate in candidates:
        stream = generator(seed, "patch", *candidate.victims, candidate.target, candidate.restart)
        draws.append(torch.rand(4, *image_size, generator=stream) * 1.98 - 0.99)
    logits = torch.atanh(torch.stack(draws)).to(device)
    return Patches(logits[:, :1].clone(), logits[:, 1:].clone())


def square_side(bound: float) -> int:
    """Side of the initial square: 0.8 times that of the square of the bound's area.

    Example:
        >>> square_side(100.0)
        8
    """
    return max(1, int(0.8 * bound**0.5))
