"""How image files become network inputs."""

from dataclasses import dataclass, replace

from exray.images.geometry import Geometry
from exray.images.interpolation import Interpolation
from exray.models.classifier import Channels, Layout, Preprocessing, Scaling
from exray.models.declared_input import DeclaredInput


@dataclass(frozen=True, kw_only=True)
class FolderPreprocess:
    """How image files become what the network takes.

    What is None is what the network's publisher declares, if anybody does: a folder of a model
    hub, or timm. ``size`` and ``crop`` belong together, and so do ``mean``, ``std`` and
    ``scaling``: who gives one of them decides the others too. ``interpolation`` is declared with
    the size.

    Args:
        size: Side in pixels to which images are resized (the shorter side, if cropped); None
            leaves them.
        crop: Side in pixels of a crop from the centre; None for none.
        mean: Subtracted per channel after scaling; None or empty for none.
        std: Divided by per channel; None or empty for none.
        scaling: ``unit``, ``min_max`` or ``byte``; None for ``unit``.
        exif_orientation: Whether images are turned as their EXIF orientation says, which
            torchvision's ``ImageFolder`` does not do.
        interpolation: Of the resizing: ``bilinear``, ``bicubic``, ``nearest``, ``box`` or
            ``lanczos``; None for ``bilinear``.
        channels: ``rgb``, ``bgr``, ``grey`` or ``rgba``; ``auto`` takes what the network does.
        layout: ``channels_first`` or ``channels_last``.

    Raises:
        ValueError: If mean or std has neither one number nor one for each channel. If size or crop
            is below 1, the scaling, the channels or the layout is unknown, or std is not positive.
    """

    size: int | None
    crop: int | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    scaling: Scaling | None
    exif_orientation: bool = False
    interpolation: Interpolation | None = None
    channels: Channels = "auto"
    layout: Layout = "channels_first"

    def __post_init__(self) -> None:
        for name, pixels in (("size", self.size), ("crop", self.crop)):
            if pixels is not None and pixels < 1:
                raise ValueError(f"{name} must be >= 1 or null; got {pixels}")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if numbers is not None and len(numbers) not in (0, 1, 3, 4):
                raise ValueError(
                    f"{name} must hold three numbers (four of rgba), one for all channels, or "
                    f"none; got {len(numbers)}"
                )
        _ = self.preprocessing  # checks the rest

    @property
    def geometry(self) -> Geometry:
        """How image files are brought to a size."""
        return Geometry(
            size=self.size, crop=self.crop, interpolation=self.interpolation or "bilinear"
        )

    @property
    def preprocessing(self) -> Preprocessing:
        """What happens to an image in [0, 1] before the network sees it."""
        return Preprocessing(
            scaling=self.scaling or "unit",
            mean=self.mean or (),
            std=self.std or (),
            channels=self.channels,
            layout=self.layout,
        )

    def completed(self, declared: DeclaredInput | None) -> tuple["FolderPreprocess", str]:
        """What was given, and where nothing was, what is declared.

        Args:
            declared: By the network's publisher; None where nobody says.

        Returns:
            All of it, and a sentence on what came from whom; empty where all was given.

        Example:
            >>> given = FolderPreprocess(size=32, crop=None, mean=None, std=None, scaling=None)
            >>> declared = DeclaredInput(source="timm", size=256, mean=(0.5,), std=(0.5,))
            >>> given.completed(declared)[1]
            'mean 0.5, std 0.5: as timm says'
        """
        if declared is None:
            return self, ""
        taken = DeclaredInput(source=declared.source)
        values: dict[str, object] = {}
        if self.size is None and self.crop is None:
            way = self.interpolation or declared.interpolation
            values |= {"size": declared.size, "crop": declared.crop, "interpolation": way}
            taken = replace(taken, size=declared.size, crop=declared.crop, interpolation=way)
        if self.mean is None and self.std is None and self.scaling is None:
            values |= {"mean": declared.mean, "std": declared.std}
            taken = replace(taken, mean=declared.mean, std=declared.std)
        said = f"{taken.description}: as {declared.source} says" if values else ""
        return replace(self, **values), said  # type: ignore[arg-type]
