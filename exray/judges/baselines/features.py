"""Features of victim, target and stamped samples at the cut, and distances between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.splitting.split_classifier import SplitClassifier
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class FeatureSets:
    """Features at the cut of a trigger's victim, target and stamped samples.

    Args:
        victim: Of the victim's clean samples, the paper's V.
        target: Of the target's clean samples, T.
        stamped: Of the victim's samples with the trigger, V+t.
    """

    victim: Float[Tensor, "n c ..."]
    target: Float[Tensor, "m c ..."]
    stamped: Float[Tensor, "n c ..."]


def feature_sets(
    split: SplitClassifier, samples: SampleSet, trigger: InvertedTrigger
) -> FeatureSets:
    """Features of V, T and V+t.

    Raises:
        ValueError: If the victim's or the target's class has no image.
    """
    victim = samples.require_class(trigger.victim_class)
    target = samples.require_class(trigger.target_class)
    return FeatureSets(
        victim=split.cached_features(victim),
        target=split.cached_features(target),
        stamped=split.cached_features(trigger.trigger.apply(victim)),
    )


def channel_scale(sets: Sequence[Float[Tensor, "_n c ..."]]) -> Float[Tensor, " c"]:
    """Each channel's greatest absolute activation over all sets; 1 for a silent channel.

    Args:
        sets: Features at the cut.

    Example:
        >>> channel_scale([torch.tensor([[[-2.0, 1.0], [0.0, 0.0]]])])
        tensor([2., 1.])
    """
    greatest = torch.stack([part.abs().flatten(2).amax(dim=(0, 2)) for part in _spatial(sets)])
    scale = greatest.amax(dim=0)
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def mean_activations(
    features: Float[Tensor, "n c ..."], scale: Float[Tensor, " c"]
) -> Float[Tensor, " c"]:
    """Mean normalised activation of each feature map, over samples and places.

    Args:
        features: Features of one set.
        scale: What each channel is divided by.

    Source: EX-RAY, figure 6: "the mean of the normalized activation values in a feature map".
        *Differs from the paper:* which does not say by what it normalises; here each map by its
        greatest absolute activation over the sets compared.
    """
    (spatial,) = _spatial([features])
    return spatial.flatten(2).mean(dim=(0, 2)) / scale


def l2_distance(
    first: Float[Tensor, " c"],
    second: Float[Tensor, " c"],
    neurons: Int[Tensor, " k"] | None = None,
) -> float:
    """The L2 distance of two vectors of mean activations.

    Args:
        first: Of one set.
        second: Of another.
        neurons: The feature maps that take part; None for all.

    Example:
        >>> l2_distance(torch.tensor([3.0, 0.0, 9.0]), torch.tensor([0.0, 4.0, 0.0]),
        ...     torch.tensor([0, 1]))
        5.0
    """
    difference = first - second
    chosen = difference if neurons is None else difference[neurons]
    return float(chosen.norm())


def _spatial(sets: Sequence[Float[Tensor, "_n c ..."]]) -> list[Tensor]:
    """The sets with at least one axis after the channels."""
    return [part if part.dim() > 2 else part.unsqueeze(2) for part in sets]
