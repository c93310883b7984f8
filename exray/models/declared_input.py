"""How images become a network's input, as those say who published the network."""

from dataclasses import dataclass, replace
from typing import Literal

from exray.models.classifier import Preprocessing

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box"]
INTERPOLATIONS: tuple[Interpolation, ...] = ("nearest", "bilinear", "bicubic", "lanczos", "box")


@dataclass(frozen=True, kw_only=True)
class DeclaredInput:
    """How images in [0, 1] become what a network takes, by its own publisher's word.

    Args:
        source: Who says so, for messages: a file's name, or a library's.
        size: Side in pixels to which images are resized (the shorter side, if cropped); None
            leaves them.
        crop: Side in pixels of a crop from the centre; None for none.
        interpolation: How pixels are resized.
        mean: Subtracted per channel from values in [0, 1]; empty for none.
        std: Divided by per channel; empty for none.
        remarks: What exray does otherwise than they say, one sentence each.

    Example:
        >>> declared = DeclaredInput(source="timm", size=256, crop=224, mean=(0.5,), std=(0.5,))
        >>> declared.description
        'size 256, crop 224, bilinear, mean 0.5, std 0.5'
    """

    source: str
    size: int | None = None
    crop: int | None = None
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def preprocessing(self) -> Preprocessing:
        """What happens to an image in [0, 1] before the network sees it."""
        return Preprocessing(mean=self.mean, std=self.std)

    @property
    def side(self) -> int | None:
        """The side of the images that come out; None where they keep their own."""
        return self.crop or self.size

    @property
    def description(self) -> str:
        """What is declared, in words."""
        parts = [] if self.size is None else [f"size {self.size}"]
        parts += [] if self.crop is None else [f"crop {self.crop}"]
        parts += [self.interpolation] if parts else []
        parts += [
            f"{name} {', '.join(f'{number:.4g}' for number in numbers)}"
            for name, numbers in (("mean", self.mean), ("std", self.std))
            if numbers
        ]
        return ", ".join(parts) or "images as they are"


def for_channels(declared: DeclaredInput | None, channels: int | None) -> DeclaredInput | None:
    """What is declared, without a mean and std of another number of channels than the network's.

    Args:
        declared: What is declared; None for nothing.
        channels: Channels that the network takes; None where that is not known.

    Example:
        >>> declared = DeclaredInput(source="timm", size=32, mean=(0.5,) * 3, std=(0.5,) * 3)
        >>> for_channels(declared, 1).description
        'size 32, bilinear'
    """
    if declared is None or channels in (None, *map(len, (declared.mean, declared.std))):
        return declared
    if not declared.mean and not declared.std:
        return declared
    said = (
        f"{declared.source} declares a mean and std for three channels, and this network takes "
        f"{channels}: none is used; give its own"
    )
    return replace(declared, mean=(), std=(), remarks=(*declared.remarks, said))
