"""Input changes that flip a class: the same types for injected and for inverted triggers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from exray.triggers.ssim import ssim


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
