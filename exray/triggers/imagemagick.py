"""Colour operations of ImageMagick that the Instagram filters are made of, in torch.

All take and give images around [0, 1] and clip nothing, as ImageMagick's HDRI builds do; a filter
clips once, at its end.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Colour = tuple[int, int, int]
Images = Float[Tensor, "n 3 h w"]


def modulated(images: Images, *, brightness: float, saturation: float) -> Images:
    """Lightness and saturation (HSL) times factors, hue kept.

    In HSL a pixel is ``L + C * offset`` with chroma ``C = S * (1 - |2L - 1|)``, so that only L and
    C need to change. A lightness that leaves [0, 1] turns the chroma's sign, as in ImageMagick.

    Args:
        images: In [0, 1].
        brightness: Factor of the lightness; 1 keeps it.
        saturation: Factor of the saturation; 0 gives gray, 1 keeps it.

    Example:
        >>> orange = torch.tensor([0.8, 0.4, 0.0]).reshape(1, 3, 1, 1)  # L 0.4, S 1
        >>> modulated(orange, brightness=0.5, saturation=0.5).flatten()
        tensor([0.3000, 0.2000, 0.1000])

    Source: facts, section 7.5.
    """
    lightness = (images.amax(dim=1, keepdim=True) + images.amin(dim=1, keepdim=True)) / 2
    room = 1 - (2 * lightness - 1).abs()  # chroma at saturation 1
    new_lightness = brightness * lightness
    new_room = 1 - (2 * new_lightness - 1).abs()
    offsets = (images - lightness) / room.clamp(min=1e-12)  # 0 where there is no room
    return new_lightness + offsets * new_room * saturation


def contrasted(images: Images) -> Images:
    """More contrast: a sigmoid of slope 3 around 0.5 that keeps 0, 0.5 and 1.

    Example:
        >>> contrasted(torch.tensor([0.0, 0.25, 0.5, 1.0]).expand(1, 3, 1, 4))[0, 0, 0]
        tensor([0.0000, 0.2179, 0.5000, 1.0000])

    Source: ImageMagick, ``-sigmoidal-contrast 3x50%``; facts, section 7.5.
    """
    low, high = (torch.sigmoid(torch.tensor(3 * (end - 0.5))) for end in (0.0, 1.0))
    sigmoid: Images = (torch.sigmoid(3 * (images - 0.5)) - low) / (high - low)
    return sigmoid


def gamma_corrected(images: Images, gamma: Float[Tensor, "n 1 1 1"] | float) -> Images:
    """``x ** (1 / gamma)``, negative values kept as they are.

    Source: ImageMagick, ``-gamma``; facts, section 7.5.
    """
    power = images.clamp(min=0) ** (1 / gamma)
    return torch.where(images < 0, images, power)


def auto_gamma_corrected(images: Images) -> Images:
    """Each image with the gamma that takes its mean to 0.5; of black or white nothing is changed.

    Source: ImageMagick, ``-auto-gamma`` (all channels together); facts, section 7.5.
    """
    mean = images.mean(dim=(1, 2, 3), keepdim=True).clamp(1e-6, 1 - 1e-6)
    return gamma_corrected(images, mean.log() / torch.tensor(0.5).log())


def tinted(images: Images, colour: Colour) -> Images:
    """A fifth of one colour, four fifths of the image."""
    return 0.8 * images + 0.2 * _unit(colour, images)


def toned(images: Images, colour: Colour, *, strength: Float[Tensor, "n 1 h w"]) -> Images:
    """Half a colour blended in where ``strength`` is 1, nothing where it is 0.

    Source: facts, section 7.5 (``(S * c + x) / (S + 1)``, the blend normalised by alpha).
    """
    return (strength * _unit(colour, images) + images) / (strength + 1)


def distance_share(height: int, width: int) -> Float[Tensor, "h w"]:
    """Distance from the image's centre, 1 at three quarters of its longer side and beyond.

    Source: facts, section 7.5: 192 pixels at 256.
    """
    y = torch.arange(height, dtype=torch.float32) - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float32) - (width - 1) / 2
    radius = 0.75 * max(height, width)
    return (torch.hypot(y[:, None], x[None, :]) / radius).clamp(max=1)


def darkened_rim(images: Images, colour: Colour) -> Images:
    """The image multiplied by a colour that grows from white at the centre to the rim.

    Source: facts, section 7.5, the vignette from nothing to ``colour``.
    """
    share = distance_share(images.shape[-2], images.shape[-1]).to(images)
    return images * (1 - share * (1 - _unit(colour, images)))


def glowing_rim(images: Images, colour: Colour) -> Images:
    """The image multiplied by a colour at its centre, fading to white at the rim.

    Source: facts, section 7.5, the vignette from ``colour`` to nothing, flattened on white.
    """
    share = distance_share(images.shape[-2], images.shape[-1]).to(images)
    inside = images * (1 - (1 - share) * (1 - _unit(colour, images)))
    return (1 - share) * inside + share


def _unit(colour: Colour, images: Tensor) -> Float[Tensor, "3 1 1"]:
    """A colour of bytes as floats of the images' kind."""
    return images.new_tensor(colour).reshape(3, 1, 1) / 255
