"""Filters: a kernel per candidate over each pixel's colours and those of its neighbourhood."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from exray.scanners.inversion.interfaces import Candidate, Parametrisation, StampedSet
from exray.seeding import generator
from exray.triggers.base import InvertedTrigger
from exray.triggers.filter import NUM_INPUTS, FilterTrigger, identity_kernel, neighbourhoods
from exray.triggers.ssim import (
    clean_scales,
    multi_scale_ssim,
    scaled_likeness,
    scales_from_tensor,
    scales_to_tensor,
)

_FIRST = 0.95  # initial weights of the pixel's own colours; short of 1, where tanh is flat
_SHIFT = 0.1  # standard deviation of the initial logits of further starts
_COMPARED = 10  # maximum number of images whose SSIM is computed in each step
_STRIDE = 4  # pixels between the SSIM windows that are compared in each step


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """Constraints on a filter.

    Args:
        min_ssim: Least mean multi-scale SSIM of the filtered images with the clean ones.
        window_share: Side of the neighbourhood as a share of the image's.

    Raises:
        ValueError: If either lies outside (0, 1).
    """

    min_ssim: float
    window_share: float

    def __post_init__(self) -> None:
        for name in ("min_ssim", "window_share"):
            value = getattr(self, name)
            if isinstance(value, str) or not 0 < value < 1:
                raise ValueError(f"{name} must lie in (0, 1); got {value!r}")

    def window(self, image_size: tuple[int, int]) -> int:
        """Side of the neighbourhood in pixels: the greatest odd number within the share.

        Example:
            >>> FilterSettings(min_ssim=0.8, window_share=0.5).window((64, 64))
            31
        """
        side = max(1, int(self.window_share * min(image_size)))
        return side - 1 + side % 2


class Filters(Parametrisation):
    """Kernels as ``tanh(logit)``, the same for every pixel; initially near the identity.

    Args:
        count: Number of candidates.
        window: Side of the neighbourhood in pixels, odd.
        image_size: Height and width in pixels.
        device: Device of the parameters.
        shifts: Added to the initial logits, for further starts of a candidate; None for none.

    Source: ABS, section 4, filter triggers (facts, sections 2.1 and 2.3). *Differs from the
    released code:* EX-RAY's weights are ``tanh / 2 + 1/2``, which can neither remove a colour
    nor leave another unchanged; here they span (-1, 1), as in ABS itself.
    """

    def __init__(
        self,
        count: int,
        *,
        window: int,
        image_size: tuple[int, int],
        device: torch.device,
        shifts: Float[Tensor, "candidates 12 3"] | None = None,
    ) -> None:
        first = torch.atanh(_FIRST * identity_kernel()).repeat(count, 1, 1)
        self._logits = (first if shifts is None else first + shifts).to(device)
        self._window = window
        self._image_size = image_size
        self._scales = clean_scales(torch.zeros(1, 3, *image_size, device=device), stride=_STRIDE)

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Logits of the kernels."""
        return (self._logits,)

    def prepared(self, images: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m c h w"]:
        """The inputs of a kernel, followed by the statistics that SSIM needs of clean images."""
        numbers = scales_to_tensor(clean_scales(images, stride=_STRIDE))
        numbers = F.pad(numbers, (0, -numbers.shape[1] % images[0, 0].numel()))
        planes = numbers.view(len(images), -1, *images.shape[2:])
        return torch.cat([neighbourhoods(images, window=self._window), planes], dim=1)

    def stamp(self, prepared: Float[Tensor, "p m c h w"], rows: Sequence[Tensor]) -> StampedSet:
        """The filtered images; their measure is the SSIM of the first, their size 1 minus it.

        SSIM costs as much as a small network's pass: the first images represent the others.
        """
        mixed = torch.tanh(rows[0]).mT[:, None] @ prepared[:, :, :NUM_INPUTS].flatten(3)
        stamped = F.hardtanh(mixed, 0.0, 1.0).view(*mixed.shape[:3], *prepared.shape[3:])
        clean = prepared[:, :_COMPARED].flatten(0, 1)
        scales = scales_from_tensor(
            clean[:, :3], clean[:, NUM_INPUTS:].flatten(1), like=self._scales
        )
        alike = scaled_likeness(scales, stamped[:, :_COMPARED].flatten(0, 1))
        alike = alike.view(len(stamped), -1).mean(dim=1)
        changed = torch.full_like(alike.detach(), float(prepared[0, 0, 0].numel()))
        return StampedSet(images=stamped, size=1 - alike, measure=alike.detach(), counted=changed)

    def trigger(self, rows: Sequence[Tensor]) -> FilterTrigger:
        """The filter."""
        kernel = torch.tanh(rows[0][0].detach())
        return FilterTrigger(kernel=kernel, window=self._window, image_size=self._image_size)


def restart_shifts(candidates: Sequence[Candidate], *, seed: int) -> Float[Tensor, "p 12 3"]:
    """Shifts of the initial logits: none for a candidate's first start, noise for further ones.

    Args:
        candidates: The candidates.
        seed: Of the noise.
    """
    shifts = torch.zeros(len(candidates), *identity_kernel().shape)
    for shift, candidate in zip(shifts, candidates, strict=True):
        if candidate.restart:
            stream = generator(
                seed, "filter", *candidate.victims, candidate.target, candidate.restart
            )
            shift += _SHIFT * torch.randn(shift.shape, generator=stream)
    return shifts


def filter_ssim(trigger: InvertedTrigger, images: Float[Tensor, "n 3 h w"]) -> float:
    """Mean multi-scale SSIM of the images with and without the trigger."""
    return float(multi_scale_ssim(images, trigger.trigger.apply(images)).mean())
