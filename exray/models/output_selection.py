"""Which of the numbers that a network returns are its classes' logits."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, no_type_check

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.text import some

_NAME = "logits"  # as transformers and others call them
_MAX_DEPTH = 4  # of structures inside one another


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step into a structure.

    Args:
        kind: ``item`` of a mapping or a sequence, or ``attribute`` of an object.
        key: Its key, index or name.
    """

    kind: Literal["item", "attribute"]
    key: str | int

    def __str__(self) -> str:
        return f"[{self.key!r}]" if self.kind == "item" else f".{self.key}"


@dataclass(frozen=True, kw_only=True)
class OutputPlace:
    """Where a network's logits lie in what it returns.

    Args:
        path: The steps to the tensor; empty where the network returns it alone.
        outputs_per_image: How many numbers there are for each image.
        is_flat: Whether they are n x k already.
        dtype: Type of the numbers.
        structure: The class of what the network returns.
        others: Places of the other tensors that might have served, as messages write them.
    """

    path: tuple[Step, ...]
    outputs_per_image: int
    is_flat: bool
    dtype: torch.dtype
    structure: str
    others: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know about the choice, one sentence each."""
        said = []
        if self.path:
            text = (
                f"the network's output is of type {self.structure}; its {self} is taken for the "
                "logits"
            )
            if self.others:
                text += (
                    f", though {some(self.others)} might be; wrap it in a factory that returns the "
                    "logits alone if that is wrong"
                )
            said.append(text)
        if not self.is_flat and self.outputs_per_image > 1:
            said.append(
                f"the network returns a map of one position for each of {self.outputs_per_image} "
                "classes, which is taken for the logits"
            )
        return tuple(said)

    def __str__(self) -> str:
        return "".join(map(str, self.path))


def output_place(outputs: object, num_images: int) -> OutputPlace | None:
    """Where the logits lie in what a network returned: one row of real numbers for each image.

    Of several tensors that might be, the one called ``logits`` is taken, else the first of two
    numbers or more for each image; a single number for each image serves where there is no other.

    Args:
        outputs: What the network returned: a tensor, or tensors in tuples, mappings or objects.
        num_images: Number of images it was given.

    Returns:
        The place; None where there is no such tensor.

    Example:
        >>> place = output_place({"features": torch.rand(2, 5, 7, 7), "out": torch.rand(2, 3)}, 2)
        >>> str(place), place.outputs_per_image
        ("['out']", 3)
    """
    fitting = [
        (path, tensor)
        for path, tensor in _leaves(outputs, ())
        if _is_row_per_image(tensor, num_images)
    ]
    several = [(path, tensor) for path, tensor in fitting if tensor.numel() > num_images]
    candidates = several or fitting
    if not candidates:
        return None
    named = [one for one in candidates if one[0] and one[0][-1].key == _NAME]
    path, tensor = (named or candidates)[0]
    others = () if named else tuple("".join(map(str, other)) for other, _ in candidates[1:])
    return OutputPlace(
        path=path,
        outputs_per_image=tensor.numel() // num_images,
        is_flat=tensor.dim() == 2,
        dtype=tensor.dtype,
        structure=type(outputs).__name__,
        others=others,
    )


def _leaves(outputs: object, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Tensor]]:
    """Every tensor in a structure, with the way to it."""
    if isinstance(outputs, Tensor):
        yield path, outputs
        return
    if len(path) == _MAX_DEPTH:
        return
    for step, inner in _parts(outputs):
        yield from _leaves(inner, (*path, step))


def _parts(outputs: object) -> Iterator[tuple[Step, object]]:
    if isinstance(outputs, Mapping):
        for key, inner in outputs.items():
            if isinstance(key, str | int):
                yield Step(kind="item", key=key), inner
    elif isinstance(outputs, tuple | list):
        for index, inner in enumerate(outputs):
            yield Step(kind="item", key=index), inner
    elif dataclasses.is_dataclass(outputs) or hasattr(outputs, "__dict__"):
        for name, inner in vars(outputs).items():
            if not name.startswith("_"):
                yield Step(kind="attribute", key=name), inner


def _is_row_per_image(tensor: Tensor, num_images: int) -> bool:
    """Whether a tensor is n x k, n, or a map of one position, of real numbers."""
    if not tensor.is_floating_point() or not tensor.dim() or len(tensor) != num_images:
        return False
    return tensor.dim() <= 2 or all(side == 1 for side in tensor.shape[2:])


class SelectedOutput(nn.Module):
    """A network that returns its logits alone, n x k.

    Args:
        network: Returns them among others, or in another shape.
        place: Where.
        dtype: Of the logits.
    """

    def __init__(self, network: nn.Module, place: OutputPlace, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.place = place
        self.dtype = dtype

    @no_type_check  # torch.fx traces it with a stand-in that is no tensor
    def forward(self, images: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
        """Logits of the images."""
        outputs = self.network(images)
        for step in self.place.path:
            is_item = step.kind == "item"
            outputs = outputs[step.key] if is_item else getattr(outputs, step.key)
        return outputs.reshape(-1, self.place.outputs_per_image).to(self.dtype)


class TwoLogits(nn.Module):
    """A network's one number z for each image as the logits of two classes, 0 and z.

    Their softmax is the sigmoid of z: class 1 where z is above 0.

    Args:
        network: Returns n x 1.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @no_type_check  # torch.fx traces it with a stand-in that is no tensor
    def forward(self, images: Float[Tensor, "n ..."]) -> Float[Tensor, "n 2"]:
        """Logits of the images."""
        logit = self.network(images)
        return torch.cat([torch.zeros_like(logit), logit], dim=1)
