"""Input changes that flip a class: the same types for injected and for inverted triggers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

import torch
from jaxtyping import AbstractArray, Float, jaxtyped
from torch import Tensor

from exray.schema import constructed
from exray.triggers.ssim import ssim


class Trigger(ABC):
    """A change of the input, the same for every image it is applied to.

    A subclass that states its ``kind`` can be stored and read from the files of other tools; it is
    then a dataclass whose fields are tensors and plain values. Nothing else has to know of it.

    Attributes:
        kind: What files call triggers of the class.
        colour_arrays: Fields that hold colours, which a file may store as bytes, 0 to 255.
    """

    kind: ClassVar[str]
    colour_arrays: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The images with the trigger in them, still in [0, 1]."""

    @property
    @abstractmethod
    def size_pixels(self) -> float:
        """How many pixels the trigger changes; all of the image's for a filter."""

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Height and width in pixels of the images it is made for; None for any."""
        return None

    def portrait(self, like: Float[Tensor, "1 c h w"]) -> Float[Tensor, "c h w"] | None:
        """An image that shows the trigger by itself.

        Args:
            like: An image of its size.

        Returns:
            The image; None for a trigger that is known on its own images only.
        """
        del like
        return None

    def ssim(self, images: Float[Tensor, "n c h w"]) -> float:
        """Mean structural similarity of the images to themselves with the trigger, at most 1.

        The size of triggers that change every pixel a little; the lower, the more it shows.
        """
        return float(ssim(images, self.apply(images)).mean())

    def to_arrays(self) -> dict[str, Tensor]:
        """Its tensors by field: copies on the CPU, since files refuse shared memory."""
        return {
            name: getattr(self, name).detach().cpu().clone(memory_format=torch.contiguous_format)
            for name in array_fields(type(self))
        }

    def to_options(self) -> dict[str, object]:
        """Its plain values by field."""
        return {name: getattr(self, name) for name in option_fields(type(self))}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Tensor], options: Mapping[str, object]) -> "Trigger":
        """The trigger of these tensors and plain values, which may come from a stranger's file.

        Args:
            arrays: Its tensors by field.
            options: Its plain values by field, as JSON has them: lists for tuples.

        Raises:
            ValueError: If a tensor is missing or of another shape, or a value is not what the
                field takes.
        """
        with jaxtyped("context"):
            for name, shape in array_fields(cls).items():
                _check_shape(name, arrays.get(name), shape, colours=name in cls.colour_arrays)
        unknown = sorted(set(arrays) - set(array_fields(cls)))
        if unknown:
            raise ValueError(f"a trigger of kind {cls.kind} has no array {unknown[0]!r}")
        return constructed(options, cls, ready=arrays)


def array_fields(kind: type[Trigger]) -> dict[str, type[AbstractArray]]:
    """The fields of a kind of trigger that hold tensors, with their shapes."""
    return {
        name: hint
        for name, hint in _field_types(kind).items()
        if isinstance(hint, type) and issubclass(hint, AbstractArray)
    }


def option_fields(kind: type[Trigger]) -> dict[str, object]:
    """The fields of a kind of trigger that hold plain values, with their types."""
    arrays = array_fields(kind)
    return {name: hint for name, hint in _field_types(kind).items() if name not in arrays}


def _field_types(kind: type[Trigger]) -> dict[str, object]:
    return {spec.name: spec.type for spec in fields(kind)}  # type: ignore[arg-type]  # a dataclass


def _check_shape(
    name: str, array: Tensor | None, shape: type[AbstractArray], *, colours: bool
) -> None:
    if array is None:
        raise ValueError(f"the array {name!r} is missing")
    if not array.numel() or not isinstance(array, shape):
        hint = colour_axis_hint(array) if colours else ""
        axes, none = ", ".join(shape.dim_str.split()), "" if array.numel() else ", none of them 0"
        raise ValueError(f"{name} must be of shape ({axes}){none}; got {tuple(array.shape)}{hint}")


def colour_axis_hint(array: Tensor) -> str:
    """The way out where the colours are the last axis; empty elsewhere."""
    return "; move the colour axis before height and width" if array.shape[-1:] == (3,) else ""


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

    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The images with the trigger in them, still in [0, 1]."""
        return self.trigger.apply(images)
