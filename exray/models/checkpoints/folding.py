"""Weights that training kept in parts, as ``weight_orig`` and ``weight_mask``, put together."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Combine = Callable[..., Tensor]
_RENAMED = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
            "moving_variance": "running_var"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Folded:
    """One weight of a network, made of several in a file.

    Args:
        sources: Names in the file, in the order in which they are combined.
        combine: Makes the weight of them.
        kind: What training did, for a remark.
    """

    sources: tuple[str, ...]
    combine: Combine
    kind: str


def product(original: Tensor, mask: Tensor) -> Tensor:
    """A pruned weight.

    Example:
        >>> product(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0]))
        tensor([0., 3.])

    Source: ``torch.nn.utils.prune``, ``BasePruningMethod.apply_mask``.
    """
    return original.float() * mask.float()


def weight_norm(magnitude: Tensor, direction: Tensor) -> Tensor:
    """A weight of given norms along the sides that the norms do not have.

    Example:
        >>> weight_norm(torch.tensor([[2.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([[1.2000, 1.6000]])

    Source: Salimans and Kingma 2016, equation (2), as ``torch.nn.utils.weight_norm``.
    """
    magnitude, direction = magnitude.float(), direction.float()
    if magnitude.dim() != direction.dim():
        whole: Tensor = direction * (magnitude / direction.norm())
        return whole
    sides = [side for side in range(direction.dim()) if magnitude.shape[side] == 1]
    weight: Tensor = direction * (
        magnitude / torch.linalg.vector_norm(direction, dim=sides, keepdim=True)
    )
    return weight


def spectral_norm(original: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """A weight divided by its largest singular value, as the stored vectors estimate it.

    Example:
        >>> one = torch.tensor([1.0])
        >>> spectral_norm(torch.tensor([[4.0]]), one, one)
        tensor([[1.]])

    Source: Miyato et al. 2018, algorithm 1, as ``torch.nn.utils.spectral_norm`` in eval mode.
    """
    original, left, right = original.float(), left.float(), right.float()
    if original.dim() < 2:
        vector: Tensor = original / original.norm().clamp_min(1e-12)
        return vector
    side = next(place for place, length in enumerate(original.shape) if length == len(left))
    matrix = original.movedim(side, 0).flatten(1)
    return original / (left @ (matrix @ right))


def same(value: Tensor) -> Tensor:
    """The weight itself, under another name."""
    return value


# Suffixes of the parts, first the one that has the weight's shape; what they make; what it is.
_FORMS: tuple[tuple[tuple[str, ...], str, Combine, str], ...] = (
    (("{0}_orig", "{0}_mask"), "{0}", product, "pruned"),
    (("{0}_orig", "{0}_u", "{0}_v"), "{0}", spectral_norm, "spectrally normalised"),
    (("{0}_g", "{0}_v"), "{0}", weight_norm, "weight-normalised"),
    (
        ("parametrizations.{0}.original0", "parametrizations.{0}.original1"),
        "{0}", weight_norm, "weight-normalised",
    ),
    (
        ("parametrizations.{0}.original", "parametrizations.{0}.0._u", "parametrizations.{0}.0._v"),
        "{0}", spectral_norm, "spectrally normalised",
    ),
)  # fmt: skip
_PART = re.compile(
    r"(?P<path>(?:.*\.)?)(?:parametrizations\.(?P<new>\w+)\.original[0-9]?|(?P<old>\w+?)_(?:orig|g))"
)


def foldings(shapes: Mapping[str, Sequence[int]]) -> dict[str, Folded]:
    """The weights that a file keeps in parts, by the names that they have in a network.

    Args:
        shapes: Sides of the file's weights by name.

    Example:
        >>> list(foldings({"conv.weight_orig": (2,), "conv.weight_mask": (2,), "conv.bias": (2,)}))
        ['conv.weight']
    """
    found: dict[str, Folded] = {}
    for name in shapes:
        match = _PART.fullmatch(name)
        if match is None:
            last = name.rpartition(".")[2]
            if last in _RENAMED:
                here = name.removesuffix(last) + _RENAMED[last]
                if here not in shapes:
                    found[here] = Folded(sources=(name,), combine=same, kind="renamed")
            continue
        path, weight = match["path"], match["new"] or match["old"]
        for suffixes, target, combine, kind in _FORMS:
            sources = tuple(path + suffix.format(weight) for suffix in suffixes)
            if name in sources and all(source in shapes for source in sources):
                found[path + target.format(weight)] = Folded(
                    sources=sources, combine=combine, kind=kind
                )
                break
    return found


def folded_shape(folded: Folded, shapes: Mapping[str, Sequence[int]]) -> Sequence[int]:
    """The sides of a weight before it is made.

    Args:
        folded: One that :func:`foldings` found.
        shapes: What it found it in.
    """
    place = 1 if folded.combine is weight_norm else 0
    return shapes[folded.sources[place]]
