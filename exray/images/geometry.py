"""How image files are brought to a size, and files that can be read again at another."""

from collections.abc import Callable
from dataclasses import dataclass

from exray.images.interpolation import Interpolation
from exray.images.samples import SampleSet


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Size, crop and interpolation of images.

    Args:
        size: Side to resize to, in pixels; see :func:`exray.images.decoding.read_image`.
        crop: Side of the centre crop, in pixels.
        interpolation: Of the resizing.
    """

    size: int | None
    crop: int | None
    interpolation: Interpolation


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFiles:
    """Image files that were read, and can be read again.

    Args:
        geometry: How they were read.
        read: Reads them, or the first few of each class, in another geometry.
    """

    geometry: Geometry
    read: Callable[[Geometry], SampleSet]
