"""Gradients of networks that round, cast or detach, passed straight through these steps."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import no_type_check

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from exray.models.classifier import Classifier
from exray.models.fixed_batch import around

_TOLERANCE = 1e-4  # of the logits' scale
_ROUNDING = ("round", "floor", "ceil", "trunc", "fix", "sign")
_CASTS = ("to", "type", "type_as", "byte", "char", "short", "int", "long")
_ROUNDING_CALLS = frozenset(
    getattr(place, name) for place in (torch, Tensor) for name in _ROUNDING if hasattr(place, name)
)
_IN_PLACE = {
    getattr(Tensor, f"{name}_"): getattr(torch, name)
    for name in _ROUNDING
    if hasattr(Tensor, f"{name}_")
}
_CAST_CALLS = frozenset(getattr(Tensor, name) for name in _CASTS)
_TYPE_QUERIES = (
    Tensor.dtype.__get__,  # type: ignore[attr-defined]
    Tensor.is_floating_point,
    torch.is_floating_point,
)
_DETACHING = (Tensor.detach, torch.detach, Tensor.data.__get__)  # type: ignore[attr-defined]


class _StraightThroughMode(TorchFunctionMode):
    """Inside, rounding and casting to integers keep the gradient, and nothing detaches.

    What was cast to integers is a tensor of floats that says of itself that it holds integers,
    since some networks look.
    """

    def __init__(self) -> None:
        super().__init__()
        self._integers: dict[int, tuple[Tensor, torch.dtype]] = {}

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        del types
        options = dict(kwargs or {})
        if func is torch._C._set_grad_enabled:
            return None  # whoever calls the network decides
        first = args[0] if args else None
        if not isinstance(first, Tensor) or not first.requires_grad:
            return func(*args, **options)
        if func in _DETACHING:
            return first
        if func in _TYPE_QUERIES and id(first) in self._integers:
            dtype = self._integers[id(first)][1]
            return dtype if func == _TYPE_QUERIES[0] else dtype.is_floating_point
        if func in _IN_PLACE:
            rounded = _IN_PLACE[func](first.detach(), *args[1:], **options)
            return first.add_(rounded - first.detach())
        result = func(*args, **options)
        if not isinstance(result, Tensor):
            return result
        if func in _ROUNDING_CALLS:
            return _passed(first, result)
        if func in _CAST_CALLS and not result.is_floating_point():
            passed = _passed(first, result)
            self._integers[id(passed)] = (passed, result.dtype)
            return passed
        was_integer = result is first and id(first) in self._integers
        return first.view_as(first) if was_integer else result  # cast back to floats


def _passed(values: Tensor, stepped: Tensor) -> Tensor:
    """The stepped values with the gradient of the others."""
    return values + (stepped.to(values.dtype) - values).detach()


class StraightThrough(nn.Module):
    """A network whose rounding, casting and detaching let gradients pass as if they were not there.

    The outputs are the network's own. It cannot be traced, since a graph would hold the steps
    without what is done about them here.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @no_type_check  # torch.fx calls it with a stand-in that is no tensor
    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """The network's outputs.

        Raises:
            TypeError: If torch.fx traces it.
        """
        if isinstance(images, fx.Proxy):
            raise TypeError("a straight-through network is not traced")
        with _StraightThroughMode() if torch.is_grad_enabled() else nullcontext():
            outputs: Tensor = self.network(images)
        return outputs


def has_gradient(classifier: Classifier, images: Float[Tensor, "n c h w"]) -> bool:
    """Whether the margin of the predicted class over the next has a gradient to some pixel.

    Args:
        classifier: The classifier.
        images: A few clean ones.
    """
    leaf = images.detach().clone().requires_grad_(True)
    try:
        with torch.enable_grad():
            top = classifier(leaf.clone()).topk(2, dim=1).values
            if not top.requires_grad:
                return False
            margin = (top[:, 0] - top[:, 1]).sum()
            (gradient,) = torch.autograd.grad(margin, leaf, allow_unused=True)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # steps that autograd refuses
        return False
    return gradient is not None and bool(((gradient != 0) & gradient.isfinite()).any())


def with_gradient(classifier: Classifier, images: Float[Tensor, "n c h w"]) -> Classifier | None:
    """A classifier of the same logits that has a gradient to its images.

    Args:
        classifier: The classifier.
        images: A few clean ones.

    Returns:
        The classifier itself where it has one, a :class:`StraightThrough` one where that helps,
        else None.
    """
    if has_gradient(classifier, images):
        return classifier
    other = classifier.around(around(classifier.network, StraightThrough))
    if not has_gradient(other, images):
        return None
    expected, logits = classifier.predict(images), other(images).detach()
    bound = _TOLERANCE * (1 + float(expected.abs().max()))
    return other if torch.allclose(logits, expected, rtol=0, atol=bound) else None
