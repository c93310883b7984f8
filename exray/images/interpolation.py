"""Ways to bring an image to another size."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from PIL import Image

Interpolation = Literal["bilinear", "bicubic", "nearest", "box", "lanczos"]
RESAMPLING: Mapping[Interpolation, Image.Resampling] = MappingProxyType(
    {
        "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC,
        "nearest": Image.Resampling.NEAREST,
        "box": Image.Resampling.BOX,
        "lanczos": Image.Resampling.LANCZOS,
    }
)
INTERPOLATIONS: tuple[Interpolation, ...] = tuple(RESAMPLING)
