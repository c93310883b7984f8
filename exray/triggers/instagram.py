"""The five Instagram filters that TrojAI's rounds 2 to 4 inject, as ImageMagick made them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from exray.triggers.imagemagick import (
    Images,
    auto_gamma_corrected,
    contrasted,
    darkened_rim,
    gamma_corrected,
    glowing_rim,
    modulated,
    tinted,
    toned,
)
from exray.triggers.whole_image import WholeImageTrigger

_NIGHT_BLUE = (0x22, 0x2B, 0x6D)
_DARK_RED = (0x33, 0x00, 0x00)
_CREAM = (0xF7, 0xDA, 0xAE)
_LAVENDER = (205, 193, 197)  # X11's LavenderBlush3
_APRICOT = (0xFF, 0x99, 0x66)
_AMBER = (255, 153, 0)
_BLACK = (0, 0, 0)


class InstagramFilter(StrEnum):
    """Names of the filters, as TrojAI writes them without ``FilterXForm``."""

    GOTHAM = "Gotham"
    NASHVILLE = "Nashville"
    KELVIN = "Kelvin"
    LOMO = "Lomo"
    TOASTER = "Toaster"


def filtered(images: Float[Tensor, "n 3 h w"], name: InstagramFilter) -> Float[Tensor, "n 3 h w"]:
    """The images as the filter leaves them, in [0, 1] and not rounded to bytes.

    Args:
        images: Whole images in [0, 1]; Toaster's and Lomo's rims depend on their size, Kelvin's
            and Nashville's gamma on each image's mean.
        name: Which filter.

    Example:
        >>> gray = torch.full((1, 3, 4, 4), 0.5)
        >>> filtered(gray, InstagramFilter.KELVIN)[0, :, 0, 0]
        tensor([0.6800, 0.6000, 0.4800])

    Source: TrojAI, ``instagram_xforms.py`` run with ImageMagick 7 (facts, section 7.5). Gotham and
    Toaster are held to real pairs by the tests and Kelvin was to ImageMagick; *no real pairs exist
    here* of Lomo and Nashville, whose vignette and tones are taken to be of Toaster's form.
    """
    match name:
        case InstagramFilter.GOTHAM:
            result = _gotham(images)
        case InstagramFilter.NASHVILLE:
            result = _nashville(images)
        case InstagramFilter.KELVIN:
            bright = auto_gamma_corrected(images)
            result = tinted(modulated(bright, brightness=1.2, saturation=0.5), _AMBER)
        case InstagramFilter.LOMO:
            hard = (images[:, :2] >= 0.5).to(images)  # a level of black = white = 0.5
            result = darkened_rim(torch.cat([hard, images[:, 2:]], dim=1), _BLACK)
        case InstagramFilter.TOASTER:
            result = _toaster(images)
    return result.clamp(0, 1)


def _gotham(images: Images) -> Images:
    gray = modulated(images, brightness=1.2, saturation=0.1)
    return contrasted(contrasted(gamma_corrected(tinted(gray, _NIGHT_BLUE), 0.9)))


def _nashville(images: Images) -> Images:
    dark = toned(images, _NIGHT_BLUE, strength=1 - images[:, :1])
    light = toned(dark, _CREAM, strength=dark[:, :1])
    vivid = modulated(contrasted(light), brightness=1.0, saturation=1.5)
    return auto_gamma_corrected(vivid)


def _toaster(images: Images) -> Images:
    # The strength is the red channel: ImageMagick re-tags the mask as gray without converting it.
    warm = toned(images, _DARK_RED, strength=1 - images[:, :1])
    bright = gamma_corrected(modulated(warm, brightness=1.5, saturation=0.8), 1.2)
    clipped = contrasted(contrasted(bright)).clamp(0, 1)
    return glowing_rim(darkened_rim(clipped, _LAVENDER), _APRICOT)


@dataclass(frozen=True, kw_only=True)
class InstagramTrigger(WholeImageTrigger):
    """An Instagram filter over the whole image.

    Args:
        filter_name: Which filter.
        image_size: Height and width in pixels of the images it is for.

    Example:
        >>> trigger = InstagramTrigger(filter_name=InstagramFilter.LOMO, image_size=(4, 4))
        >>> trigger.size_pixels
        16.0

    Source: TrojAI rounds 2 to 4, ``trigger_type=instagram``.
    """

    kind: ClassVar[str] = "instagram"

    filter_name: InstagramFilter

    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The filtered images."""
        return filtered(images, self.filter_name)
