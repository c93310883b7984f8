"""Input changes that flip a class: the same types for injected and for inverted triggers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from exray.triggers.visibility import ssim


class Trigger(ABC):
    """A change of the input, the same for every image it is applied to."""

    @abstractmethod
    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The images with the trigger in them, still in [0, 1]."""

    @property
    @abstractmethod
    def size_pixels(self) -> float:
        """How many pixels the trigger changes; all of the image's for a filter."""

    def ssim(self, images: Float[Tensor, "n c h w"]) -> float:
        """Mean structural similarity of the images to themselves with the trigger, at most 1.

        The size of triggers that change every pixel a little; the lower, the more it shows.
        """
        return float(ssim(images, self.apply(images)).mean())


@dataclass(frozen=True, kw_only=True)
class PatchTrigger(Trigger):
    """A pattern pasted where the mask says: ``image * (1 - mask) + pattern * mask``.

    Args:
        mask: Opacity of the pattern per pixel, in [0, 1].
        pattern: Colour of the patch per pixel, RGB in [0, 1]; one colour is a constant pattern.

    Raises:
        ValueError: If mask or pattern leave [0, 1].

    Example:
        >>> import torch
        >>> mask = torch.zeros(4, 4); mask[0, 0] = 1
        >>> trigger = PatchTrigger(mask=mask, pattern=torch.ones(3, 4, 4))
        >>> trigger.apply(torch.zeros(2, 3, 4, 4)).sum().item(), trigger.size_pixels
        (6.0, 1.0)

    Source: EX-RAY, section 2; ABS, section 4.
    """

    mask: Float[Tensor, "h w"]
    pattern: Float[Tensor, "c h w"]

    def __post_init__(self) -> None:
        for name, values in (("mask", self.mask), ("pattern", self.pattern)):
            if not (values.min() >= 0 and values.max() <= 1):
                low, high = float(values.min()), float(values.max())
                raise ValueError(f"{name} must lie in [0, 1]; got values from {low:g} to {high:g}")

    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The images with the pattern blended in by the mask."""
        return images * (1 - self.mask) + self.pattern * self.mask

    @property
    def size_pixels(self) -> float:
        """Number of pixels whose opacity exceeds 0.1, the released code's bar."""
        return float((self.mask > OPACITY_BAR).sum())


OPACITY_BAR = 0.1  # below it a pixel does not count as changed (facts: mask^2 > 0.01)


@dataclass(frozen=True, kw_only=True)
class InvertedTrigger:
    """A trigger that a scanner recovered, with what it does to the classifier.

    Args:
        trigger: The change of the input.
        victim_class: Class whose images it flips.
        target_class: Class they are flipped to.
        asr: Attack success rate over all clean images of the victim class, a fraction.
        target_probability: Mean probability of the target class on the stamped images.
        source: Name of the scanner that found it.
        measurements: What the scanner measured of its inversion, by name.

    Raises:
        ValueError: If victim and target are one class, or ``asr`` is no fraction.
    """

    trigger: Trigger
    victim_class: int
    target_class: int
    asr: float
    target_probability: float
    source: str
    measurements: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.victim_class == self.target_class:
            raise ValueError(
                f"victim_class and target_class must differ; both are {self.victim_class}"
            )
        if not 0 <= self.asr <= 1:
            raise ValueError(f"asr must be a fraction in [0, 1]; got {self.asr}")
