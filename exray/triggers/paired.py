"""A trigger that is known by its images alone: each clean one with its stamped form."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.triggers.base import Trigger

SAME_IMAGE = 1.5 / 255  # greatest change of a value that rounding to bytes, twice, can make
_CHANGED = 1.5 / 255  # a pixel counts as changed beyond it


@dataclass(frozen=True, kw_only=True)
class PairedTrigger(Trigger):
    """Pairs of a clean image and the same image stamped, where nobody knows what was stamped.

    It says nothing about other images, so ``apply`` refuses those: nothing is guessed from pairs.
    An image is one of the clean ones if no value differs by more than rounding to bytes does.

    Args:
        clean: Images without the trigger, in [0, 1]. Of equal ones the first counts.
        stamped: The same with it, paired by position.

    Raises:
        ValueError: If the two differ in shape, hold nothing or leave [0, 1].

    Example:
        >>> clean = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 3, 2, 2).clone()
        >>> trigger = PairedTrigger(clean=clean, stamped=clean.flip(0))
        >>> trigger.apply(clean[1:]).max().item(), trigger.size_pixels
        (0.0, 4.0)
    """

    kind: ClassVar[str] = "pairs"
    colour_arrays: ClassVar[frozenset[str]] = frozenset({"clean", "stamped"})

    clean: Float[Tensor, "n 3 h w"]
    stamped: Float[Tensor, "m 3 i j"]  # axes of its own: the message below is the clearer one

    def __post_init__(self) -> None:
        if self.clean.shape != self.stamped.shape or not len(self.clean):
            raise ValueError(
                "clean and stamped must hold as many images of one size, at least one; got "
                f"{tuple(self.clean.shape)} and {tuple(self.stamped.shape)}"
            )
        for name, values in (("clean", self.clean), ("stamped", self.stamped)):
            if not (values.min() >= 0 and values.max() <= 1):
                low, high = float(values.min()), float(values.max())
                raise ValueError(f"{name} must lie in [0, 1]; got values from {low:g} to {high:g}")

    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The stamped forms of these images.

        Raises:
            ValueError: If an image is none of the clean ones.
        """
        places = self.places(images)
        unknown = int((places < 0).sum())
        if unknown:
            raise ValueError(
                f"{unknown} of {len(images)} images are not among the trigger's "
                f"{len(self.clean)} pairs, and how they would be stamped is not known; give a "
                "pair for each, or the trigger's mask and pattern"
            )
        return self.stamped[places]

    def places(self, images: Float[Tensor, "n c h w"]) -> Int[Tensor, " n"]:
        """Which pair each image belongs to; -1 where there is none."""
        places = torch.full((len(images),), -1, device=images.device)
        if images.shape[1:] != self.clean.shape[1:]:
            return places
        for row, image in enumerate(images):
            gaps = (self.clean - image).abs().flatten(1).amax(dim=1)
            nearest = int(gaps.argmin())
            if gaps[nearest] <= SAME_IMAGE:
                places[row] = nearest
        return places

    @property
    def size_pixels(self) -> float:
        """How many pixels change by more than rounding does, the mean over the pairs."""
        changed = ((self.stamped - self.clean).abs() > _CHANGED).any(dim=1)
        return float(changed.flatten(1).sum(dim=1).double().mean())

    @property
    def input_size(self) -> tuple[int, int]:
        """The pairs' height and width."""
        return (self.clean.shape[-2], self.clean.shape[-1])
