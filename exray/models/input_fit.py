"""How a stranger's network is to be given RGB images, found by trying."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import no_type_check

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.models.classifier import Channels, Layout, Preprocessing
from exray.models.fixed_batch import filled
from exray.models.output_selection import OutputPlace, output_place
from exray.models.outputs import raw_outputs

_CHANNELS: dict[int, Channels] = {3: "rgb", 1: "grey", 4: "rgba"}  # by their number, likely first
_LAYOUTS: tuple[Layout, ...] = ("channels_first", "channels_last")
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
_MAX_BATCH = 128  # of those that an error names
_SAID_OF_CHANNELS = {
    "grey": "the network takes one channel: images are made grey for it",
    "rgba": "the network takes four channels: images are given an opaque fourth one",
}


class CastInput(nn.Module):
    """A network that is given its images in another type of number.

    Args:
        network: Takes images of the type.
        dtype: The type; images are rounded to whole numbers for bytes.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    @no_type_check  # torch.fx traces it with a stand-in that is no tensor
    def forward(self, images: Float[Tensor, "n ..."]) -> object:
        """What the network returns."""
        if not self.dtype.is_floating_point:
            images = images.round().clamp(0, 255)
        return self.network(images.to(self.dtype))


@dataclass(frozen=True, kw_only=True, eq=False)
class InputFit:
    """One way to give a network its images.

    Args:
        network: The network, or a copy or a wrapper of it.
        preprocessing: With channels and layout that the network may take.
        batch_size: The number of images that it takes at a time; None for any.
        takes_multiples: Whether it takes multiples of the batch size, too.
        remarks: What the user should know about it, one sentence each.
    """

    network: nn.Module
    preprocessing: Preprocessing
    batch_size: int | None = None
    takes_multiples: bool = False
    remarks: tuple[str, ...] = ()

    def inputs(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "m ..."]:
        """The images as the network takes them, filled up to its batch size.

        Args:
            images: In [0, 1].
        """
        prepared = self.preprocessing(images)
        return prepared if self.batch_size is None else filled(prepared, self.batch_size)

    def place(self, images: Float[Tensor, "n c h w"]) -> OutputPlace:
        """Where the logits are in what the network returns for images.

        Args:
            images: In [0, 1].

        Raises:
            ValueError: If the network fails on them, or returns no real numbers for each.
        """
        inputs = self.inputs(images)
        outputs = raw_outputs(self.network, inputs)
        place = output_place(outputs, len(inputs))
        if place is None:
            sides = " x ".join(str(side) for side in inputs.shape[1:])
            raise ValueError(
                f"the network must return real numbers for each image, shape ({len(inputs)}, k); "
                f"got {_described(outputs)} for {len(inputs)} images of {sides}; set size, or wrap "
                "it in a factory that returns the logits alone"
            )
        return place


def first_fit(
    network: nn.Module, preprocessing: Preprocessing, images: Float[Tensor, "n c h w"]
) -> tuple[InputFit, OutputPlace]:
    """The first way to give a network images in which it runs, and where its logits are.

    Args:
        network: In eval mode.
        preprocessing: As the user told it; channels are tried where they are ``auto``.
        images: A few in [0, 1], at least one.

    Raises:
        ValueError: If there is none, with the error of the likeliest.
    """
    if not len(images):
        raise ValueError("images must hold at least one image; got none")
    refusals: dict[Channels, ValueError] = {}
    for fit in _fits(network, preprocessing, images.dtype):
        try:
            place = fit.place(images)
        except ValueError as error:
            refusals.setdefault(fit.preprocessing.channels, error)
            continue
        return _with_batch_size(fit, place, images), place
    fixed = _fixed(network, preprocessing, images)
    if fixed is not None:
        return fixed
    raise refusals.get(_likely_channels(network), next(iter(refusals.values())))


def runs(
    network: nn.Module,
    preprocessing: Preprocessing,
    images: Float[Tensor, "n c h w"],
    *,
    tries_batch_sizes: bool,
) -> bool:
    """Whether a network runs on images of a size, in any of the ways that are tried.

    Args:
        network: As :func:`first_fit` takes it.
        preprocessing: Likewise.
        images: Likewise.
        tries_batch_sizes: Whether those are tried, too.
    """
    for fit in _fits(network, preprocessing, images.dtype):
        try:
            fit.place(images)
        except ValueError:
            continue
        return True
    return tries_batch_sizes and _fixed(network, preprocessing, images) is not None


def _fits(
    network: nn.Module, preprocessing: Preprocessing, dtype: torch.dtype
) -> Iterator[InputFit]:
    """The ways to give a network images in batches of any size, likely ones first."""
    yield InputFit(network=network, preprocessing=preprocessing)
    for cast, said in ((network, ()), *_casts(network, dtype)):
        for other, also in _arrangements(preprocessing):
            yield InputFit(network=cast, preprocessing=other, remarks=(*said, *also))
    if preprocessing.scaling == "min_max" or preprocessing.mean or preprocessing.std:
        return
    as_bytes = CastInput(network, torch.uint8).eval()
    said = ("the network takes bytes: images are given to it as whole numbers from 0 to 255",)
    for other, also in _arrangements(replace(preprocessing, scaling="byte")):
        yield InputFit(network=as_bytes, preprocessing=other, remarks=(*said, *also))


def _casts(network: nn.Module, dtype: torch.dtype) -> Iterator[tuple[nn.Module, tuple[str, ...]]]:
    """The network's weights in the images' type of number, or the images in the weights'."""
    own = next((p.dtype for p in network.parameters() if p.is_floating_point()), dtype)
    if own == dtype:
        return
    try:
        copied = copy.deepcopy(network).to(dtype)
    except (RuntimeError, TypeError, NotImplementedError):  # tensors kept as plain attributes
        pass
    else:
        yield copied, (f"the network's weights are {_name(own)}: they are taken as {_name(dtype)}",)
    cast = CastInput(network, own).eval()
    yield cast, (f"the network takes {_name(own)}: images are given to it so",)


def _arrangements(
    preprocessing: Preprocessing,
) -> Iterator[tuple[Preprocessing, tuple[str, ...]]]:
    """The channels and layouts that a preprocessing leaves open, with what is said of each."""
    known = preprocessing.channels
    lengths = {len(values) for values in (preprocessing.mean, preprocessing.std)} - {0, 1}
    for layout in _LAYOUTS[_LAYOUTS.index(preprocessing.layout) :]:
        for count, channels in _CHANNELS.items():
            if known == "auto" and not lengths - {count}:
                other = replace(preprocessing, channels=channels, layout=layout)
                said = _SAID_OF_CHANNELS.get(channels, "")
                yield other, _said(said, layout != preprocessing.layout)
        if known != "auto":
            other = replace(preprocessing, layout=layout)
            yield other, _said("", layout != preprocessing.layout)


def _said(of_channels: str, is_turned: bool) -> tuple[str, ...]:
    of_layout = "the network takes channels last: images are given to it so" if is_turned else ""
    return tuple(said for said in (of_channels, of_layout) if said)


def first_channels(network: nn.Module) -> int | None:
    """Channels that the network's first convolution takes; None where it has no convolution.

    Args:
        network: Any.

    Example:
        >>> first_channels(nn.Sequential(nn.ReLU(), nn.Conv2d(1, 4, 3)))
        1
    """
    convolutions = (m for m in network.modules() if isinstance(m, nn.modules.conv._ConvNd))
    first = next(convolutions, None)
    return None if first is None else first.in_channels


def _likely_channels(network: nn.Module) -> Channels:
    """The channels of the network's first convolution; ``auto`` where it has none of these."""
    count = first_channels(network)
    return "auto" if count is None else _CHANNELS.get(count, "auto")


def _fixed(
    network: nn.Module, preprocessing: Preprocessing, images: Float[Tensor, "n c h w"]
) -> tuple[InputFit, OutputPlace] | None:
    """A batch size that the network takes though it takes no other."""
    likely = _likely_channels(network)
    for other, said in _arrangements(preprocessing):
        if likely != "auto" and other.channels not in (likely, preprocessing.channels):
            continue
        fit = InputFit(network=network, preprocessing=other, remarks=said)
        for size in _batch_sizes(fit, images):
            try:
                place = replace(fit, batch_size=size).place(images[:size])
            except ValueError:
                continue
            return _of_batches(fit, size), place
    return None


def _batch_sizes(fit: InputFit, images: Float[Tensor, "n c h w"]) -> list[int]:
    """Batch sizes to try: the numbers that the network's error names, then powers of two."""
    try:
        fit.place(images)
    except ValueError as error:
        named = [int(number) for number in re.findall(r"\d+", str(error))]
    else:
        return []
    return [size for size in dict.fromkeys([*named, *_BATCH_SIZES]) if 0 < size <= _MAX_BATCH]


def _with_batch_size(
    fit: InputFit, place: OutputPlace, images: Float[Tensor, "n c h w"]
) -> InputFit:
    """The fit with the batch size that it worked with, where it works with no other."""
    one, more = (_agrees(fit, place, batch) for batch in (images[:1], torch.cat([images, images])))
    if one and more:
        return fit
    if not more or len(images) == 1:
        return _of_batches(fit, len(images))
    said = "the network does not take a single image: one is given to it with a black one"
    return replace(fit, batch_size=2, takes_multiples=True, remarks=(*fit.remarks, said))


def _agrees(fit: InputFit, place: OutputPlace, images: Float[Tensor, "n c h w"]) -> bool:
    try:
        return fit.place(images).outputs_per_image == place.outputs_per_image
    except ValueError:
        return False


def _of_batches(fit: InputFit, size: int) -> InputFit:
    said = f"the network takes batches of {size} images alone: others are filled up with black ones"
    return replace(fit, batch_size=size, remarks=(*fit.remarks, said))


def _described(outputs: object) -> str:
    """What a network returned, for a message."""
    if not isinstance(outputs, Tensor):
        return f"a {type(outputs).__name__}"
    shape = f"shape {tuple(outputs.shape)}"
    return shape if outputs.is_floating_point() else f"{_name(outputs.dtype)} of {shape}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
