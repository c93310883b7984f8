"""How image files become network inputs."""

from dataclasses import dataclass

from exray.images.geometry import Geometry
from exray.images.interpolation import Interpolation
from exray.models.classifier import Channels, Layout, Preprocessing, Scaling


@dataclass(frozen=True, kw_only=True)
class FolderPreprocess:
    """How image files become what the network takes.

    Args:
        size: Side in pixels to which images are resized (the shorter side, if cropped); None
            leaves them.
        crop: Side in pixels of a crop from the centre; None for none.
        mean: Subtracted per channel after scaling; empty for none.
        std: Divided by per channel; empty for none.
        scaling: ``unit``, ``min_max`` or ``byte``.
        exif_orientation: Whether images are turned as their EXIF orientation says, which
            torchvision's ``ImageFolder`` does not do.
        interpolation: Of the resizing: ``bilinear``, ``bicubic``, ``nearest``, ``box`` or
            ``lanczos``.
        channels: ``rgb``, ``bgr``, ``grey`` or ``rgba``; ``auto`` takes what the network does.
        layout: ``channels_first`` or ``channels_last``.

    Raises:
        ValueError: If mean or std has neither one number nor one for each channel. If size or crop
            is below 1, the scaling, the channels or the layout is unknown, or std is not positive.
    """

    size: int | None
    crop: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scaling: Scaling
    exif_orientation: bool = False
    interpolation: Interpolation = "bilinear"
    channels: Channels = "auto"
    layout: Layout = "channels_first"

    def __post_init__(self) -> None:
        for name, pixels in (("size", self.size), ("crop", self.crop)):
            if pixels is not None and pixels < 1:
                raise ValueError(f"{name} must be >= 1 or null; got {pixels}")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if len(numbers) not in (0, 1, 3, 4):
                raise ValueError(
                    f"{name} must hold three numbers (four of rgba), one for all channels, or "
                    f"none; got {len(numbers)}"
                )
        _ = self.preprocessing  # checks the rest

    @property
    def geometry(self) -> Geometry:
        """How image files are brought to a size."""
        return Geometry(size=self.size, crop=self.crop, interpolation=self.interpolation)

    @property
    def preprocessing(self) -> Preprocessing:
        """What happens to an image in [0, 1] before the network sees it."""
        return Preprocessing(
            scaling=self.scaling,
            mean=self.mean,
            std=self.std,
            channels=self.channels,
            layout=self.layout,
        )
