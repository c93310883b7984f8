"""Networks by name in the size that their weights have: channels, kernel and side of the images."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from exray.models.architectures.libraries import sized_builder
from exray.models.architectures.registry import build, skeleton

_SIDES = (32, 64, 96, 128, 48, 28, 256, 384, 224)  # pixels, where no embedding tells
_PREFIX_TOKENS = (1, 0, 2)  # of class and distillation, before those of positions
_MAX_SIDE = 1024


def build_fitted(
    architecture: str, state: Mapping[str, Tensor], *, num_classes: int
) -> tuple[nn.Module, tuple[str, ...]]:
    """An untrained network by name, changed where its weights in a file have other shapes.

    Three things are changed, since people change them: the channels that the first convolution
    takes; its kernel of 3 x 3 where the library's has 7 x 7, as networks of small images have it,
    without the pooling after it; the side of a transformer's images.

    Args:
        architecture: As :func:`exray.models.architectures.registry.build` takes it.
        state: The file's weights, under the network's own names.
        num_classes: Logits of the network.

    Returns:
        The network and what was changed, one sentence each. Weights may still not fit.

    Example:
        >>> trained = nn.Sequential(*build("plain_cnn", num_classes=3))
        >>> network, said = build_fitted("plain_cnn", trained.state_dict(), num_classes=3)
        >>> said
        ()
    """
    blank = skeleton(architecture, num_classes=num_classes)
    differing = _differing(blank, state)
    said: list[str] = []
    make: Callable[[], nn.Module] = lambda: build(architecture, num_classes=num_classes)  # noqa: E731
    stem = _stem(blank)
    positions = [key for key in differing if stem is None or key != f"{stem}.weight"]
    if positions:
        sized = _sized(architecture, state, num_classes, ignored=f"{stem}.weight")
        if sized is not None:
            side, make = sized
            said.append(f"the weights are those of a network of images of {side} x {side} pixels")
    network = make()
    if stem is not None and f"{stem}.weight" in differing:
        said += _refit(network, stem, state[f"{stem}.weight"].shape)
    return network, tuple(said)


def _differing(network: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """The names under which network and file have other shapes."""
    own = network.state_dict()
    return [key for key in own if key in state and state[key].shape != own[key].shape]


def _stem(network: nn.Module) -> str | None:
    """Path of the first convolution."""
    convolutions = (p for p, module in network.named_modules() if isinstance(module, nn.Conv2d))
    return next(convolutions, None)


def _refit(network: nn.Module, path: str, shape: Sequence[int]) -> Iterator[str]:
    """Puts a convolution of a weight's shape in the place of the first one, and says how."""
    old = network.get_submodule(path)
    assert isinstance(old, nn.Conv2d), path
    if len(shape) != 4 or shape[0] != old.out_channels or old.groups != 1:
        return
    kernel = (shape[2], shape[3])
    is_small = kernel == (3, 3) and old.kernel_size == (7, 7)
    if kernel != old.kernel_size and not is_small:
        return
    new = nn.Conv2d(
        shape[1],
        old.out_channels,
        kernel,
        stride=1 if is_small else old.stride,  # type: ignore[arg-type]
        padding=1 if is_small else old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, new)
    if shape[1] != old.in_channels:
        yield (
            f"the first convolution's weights have {shape[1]} input "
            f"channel{'s' if shape[1] > 1 else ''}, where the library's has {old.in_channels}"
        )
    if is_small:
        pooling = getattr(network, "maxpool", None)
        if isinstance(pooling, nn.MaxPool2d):
            network.maxpool = nn.Identity()
        yield (
            "the first convolution is 3 x 3, where the library's is 7 x 7: it is taken with stride "
            "1 and without the pooling after it, as networks of small images have it"
        )


def _sized(
    architecture: str, state: Mapping[str, Tensor], num_classes: int, *, ignored: str
) -> tuple[int, Callable[[], nn.Module]] | None:
    """The side of images at which a network by name has the weights' shapes, and what builds it."""
    builder = sized_builder(architecture, num_classes=num_classes)
    if builder is None:
        return None
    blank = skeleton(architecture, num_classes=num_classes)
    for side in dict.fromkeys([*_embedded_sides(blank, state), *_SIDES]):
        try:
            with torch.device("meta"):
                sized = builder(side)
        except (TypeError, ValueError, AssertionError, RuntimeError, NotImplementedError):
            continue  # a network of any size, or none of this one
        if not [key for key in _differing(sized, state) if key != ignored]:
            return side, functools.partial(builder, side)
    return None


def _embedded_sides(network: nn.Module, state: Mapping[str, Tensor]) -> Iterator[int]:
    """Sides that an embedding of positions tells: as many tokens as patches in a square."""
    stem = _stem(network)
    if stem is None:
        return
    patch = network.get_submodule(stem)
    assert isinstance(patch, nn.Conv2d), stem
    own = network.state_dict()
    for key in own:
        if "pos" in key and key in state and state[key].dim() == 3:
            for prefix in _PREFIX_TOKENS:
                tokens = state[key].shape[1] - prefix
                per_side = math.isqrt(max(tokens, 0))
                side = per_side * int(patch.stride[0])
                if per_side**2 == tokens and 0 < side <= _MAX_SIDE:
                    yield side
