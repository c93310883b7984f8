"""Cuts a network that torch.fx cannot trace: forward hooks stop it or change what it sees."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.errors import LayerNotFoundError
from exray.models.splitting.channel_axis import cares, channel_axis, width_of
from exray.models.splitting.cut_points import RULES, listed, place_of, repeated_blocks
from exray.models.splitting.tracing import CONVOLUTIONS, NORMS_AND_ACTIVATIONS, PASSING

Hook = Callable[[nn.Module, object, object], object]


@dataclass(frozen=True, kw_only=True)
class Point:
    """The end of one call of a module.

    Args:
        path: The module's path.
        call: How many calls of the module came before, 0 for the first.
        axis: Of the features' channels.
    """

    path: str
    call: int
    axis: int


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A module's call that has ended: what it was, and the shape of its features if it has any."""

    path: str
    call: int
    module: nn.Module
    shape: tuple[int, ...]


class _Reached(Exception):  # noqa: N818 - no error: the features on their way out
    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features


class HookedBody(nn.Module):
    """A network run until a point, which gives the features there.

    Args:
        network: The whole network.
        point: Where it stops.
    """

    def __init__(self, network: nn.Module, point: Point) -> None:
        super().__init__()
        self.network = network
        self.point = point

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n ..."]:
        """Features, channels second.

        Raises:
            ValueError: If these images take another way through the network.
        """

        def stop(output: Tensor) -> Tensor:
            raise _Reached(output)

        try:
            with _at(self.network, self.point, stop):
                self.network(images)
        except _Reached as reached:
            return reached.features.movedim(self.point.axis, 1)
        raise ValueError(f"{self.point.path!r} does not run on these images; cut elsewhere")


class HookedHead(nn.Module):
    """A network whose features at a point are replaced: what comes after reads the given ones.

    What comes before runs on a stand-in, whose values reach nothing.

    Args:
        network: The whole network.
        point: Where features are replaced.
        stand_in: One image.
        expanded: Whether the stand-in is repeated for each row of features, for networks that
            look at the number of images before the cut.
    """

    stand_in: Tensor

    def __init__(
        self,
        network: nn.Module,
        point: Point,
        *,
        stand_in: Float[Tensor, "1 c h w"],
        expanded: bool,
    ) -> None:
        super().__init__()
        self.network = network
        self.point = point
        self.expanded = expanded
        self.register_buffer("stand_in", stand_in, persistent=False)

    def forward(self, features: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
        """Logits of the features."""
        rows = len(features) if self.expanded else 1
        images = self.stand_in.expand(rows, -1, -1, -1)
        replacement = features.movedim(1, self.point.axis)
        with _at(
            self.network, self.point, lambda _: replacement.clone()
        ):  # some layers work in place
            logits: Tensor = self.network(images)
        return logits


@contextmanager
def _at(network: nn.Module, point: Point, act: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Inside, what a module gives at a point is replaced by what ``act`` makes of it."""
    calls = 0

    def hook(module: nn.Module, inputs: object, output: object) -> object:
        nonlocal calls
        del module, inputs
        calls += 1
        features = _features(output)
        if calls != point.call + 1 or features is None:
            return None
        replacement = act(features)
        return (replacement, *output[1:]) if isinstance(output, tuple) else replacement

    handle = network.get_submodule(point.path).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _features(output: object) -> Tensor | None:
    """What a module gives: a tensor, or the first of a tuple, as blocks of transformers give."""
    first = output[0] if isinstance(output, tuple) and output else output
    return first if isinstance(first, Tensor) else None


@torch.no_grad()
def _run(network: nn.Module, images: Float[Tensor, "n c h w"]) -> list[_Call]:
    """The calls of all inner modules in the order in which they end."""
    calls: list[_Call] = []
    counts: Counter[str] = Counter()

    def hook_for(path: str) -> Hook:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            del inputs
            features = _features(output)
            shape = () if features is None else tuple(features.shape)
            calls.append(_Call(path=path, call=counts[path], module=module, shape=shape))
            counts[path] += 1

        return hook

    named = [(path, module) for path, module in network.named_modules() if path]
    handles = [module.register_forward_hook(hook_for(path)) for path, module in named]
    try:
        network(images)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def hooked_parts(
    network: nn.Module, layer: str, images: Float[Tensor, "n c h w"], *, name: str
) -> tuple[str, HookedBody, HookedHead]:
    """The cut's name, body and head of a network that cannot be traced, found by running it.

    A rule counts the convolutions (or blocks) that run, and continues to the first module's end at
    which replacing the features by those of other images gives those images' logits.

    Args:
        network: In eval mode; a copy of it is used.
        layer: A rule or a module's path.
        images: A few, as the network takes them.
        name: What messages call the network.

    Raises:
        LayerNotFoundError: If the layer does not run, or replacing what it gives does not do.
    """
    own = copy.deepcopy(network)
    calls = _run(own, images)
    ends = _ends(calls, len(images))
    start = _start(own, layer, calls, name)
    finished = [place for place in ends if place >= start and not _is_unfinished(calls, place)]
    for place in finished if layer in RULES else [start]:
        parts = _parts_at(own, calls, place, images)
        if place in ends and parts is not None:
            return calls[place].path, *parts
    reason = f"is no place to cut {name}: other tensors are live after it, or no features"
    raise LayerNotFoundError(layer, name, listed([calls[place].path for place in ends]), reason)


def _ends(calls: Sequence[_Call], num_images: int) -> list[int]:
    """Places of the calls that give something like features, the last of each module."""
    last = {call.path: place for place, call in enumerate(calls)}
    return [
        place
        for place in sorted(last.values())
        if len(calls[place].shape) >= 2 and calls[place].shape[0] == num_images
    ]


def _start(network: nn.Module, layer: str, calls: Sequence[_Call], name: str) -> int:
    """Where a layer ends, or what a rule counts."""
    paths = list(dict.fromkeys(call.path for call in calls))
    if layer not in RULES:
        if layer not in paths:
            raise LayerNotFoundError(layer, name, listed(paths))
        return max(place for place, call in enumerate(calls) if call.path == layer)
    blocks = repeated_blocks(network)
    convolutions = [i for i, call in enumerate(calls) if isinstance(call.module, CONVOLUTIONS)]
    ends = [place for place, call in enumerate(calls) if call.path in blocks]
    within = ends and [place for place in convolutions if place > ends[0]]
    counted = ends if len(ends) > 1 and not within else convolutions
    if len(counted) < 2:
        reason = f"needs two convolutions or repeated blocks, and {name} has {len(counted)}"
        raise LayerNotFoundError(layer, name, listed(paths), reason)
    return counted[place_of(layer, len(counted))]


def _is_unfinished(calls: Sequence[_Call], place: int) -> bool:
    """Whether the next layer normalises or activates."""
    for call in calls[place + 1 :]:
        if not isinstance(call.module, PASSING):
            return isinstance(call.module, NORMS_AND_ACTIVATIONS)
    return False


def _is_within(path: str, other: str) -> bool:
    """Whether a module is part of another, which ends after it without reading what it gives."""
    return path.startswith(f"{other}.")


@torch.no_grad()
def _parts_at(
    network: nn.Module, calls: Sequence[_Call], place: int, images: Float[Tensor, "n c h w"]
) -> tuple[HookedBody, HookedHead] | None:
    """Body and head at the end of a call; None where they do not make up the network."""
    shape = calls[place].shape
    later = (call for call in calls[place + 1 :] if not _is_within(calls[place].path, call.path))
    reader = next((call.module for call in later if cares(call.module)), None)
    axis = channel_axis(shape, None if reader is None else width_of(reader)) if shape else 1
    point = Point(path=calls[place].path, call=calls[place].call, axis=axis)
    body = HookedBody(network, point)
    stand_in = images[:1].flip(-1) / 2  # differs from every image, so that a leak is seen
    whole = network(images)
    for expanded in (False, True):
        head = HookedHead(network, point, stand_in=stand_in, expanded=expanded)
        try:
            features = body(images)
            logits = head(features)
        except (ValueError, RuntimeError, IndexError, TypeError, AttributeError):
            continue  # another number of rows, or an output that is no tensor
        if features.shape == whole.shape and torch.equal(features, whole):
            return None  # nothing comes after
        if logits.shape == whole.shape and torch.allclose(logits, whole, rtol=1e-4, atol=1e-5):
            return body, head
    return None
