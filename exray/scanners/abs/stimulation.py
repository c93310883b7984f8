"""Neuron stimulation analysis: which inner channel pushes which class towards which other."""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.splitting.split_classifier import SplitClassifier

Pointer = tuple[int, int, int]
"""Victim class, target class, stimulated channel."""

_BATCH = 256


@torch.no_grad()
def elevations(
    split: SplitClassifier,
    images: Float[Tensor, "n c h w"],
    *,
    levels: Sequence[float],
) -> Float[Tensor, "n channels k"]:
    """How far each channel, stimulated alone, lifts each logit of each image.

    A channel's whole feature map is set to ``level`` times the channel layer's greatest activation
    over the images; the lift is the highest logit over the levels above 0, less the one at 0.

    Args:
        split: The classifier, cut at the layer to stimulate.
        images: Clean images of one class.
        levels: Shares of the greatest activation, the first of them 0.

    Source: ABS, section 4.1, as in its TrojAI version (facts, section 2.2).
    """
    features = split.cached_features(images)
    peak = float(features.max())
    lifted = torch.stack([_stimulated(split, features, level * peak) for level in levels])
    return lifted[1:].amax(dim=0) - lifted[0]


def _stimulated(
    split: SplitClassifier, features: Float[Tensor, "n c ..."], value: float
) -> Float[Tensor, "n c k"]:
    """Logits with each channel in turn set to ``value``."""
    num_images, channels = features.shape[:2]
    pairs = torch.cartesian_prod(torch.arange(num_images), torch.arange(channels))
    logits = []
    for part in torch.split(pairs, _BATCH):
        changed = features[part[:, 0]].clone()
        changed[torch.arange(len(part)), part[:, 1]] = value
        logits.append(split.head(changed))
    return torch.cat(logits).view(num_images, channels, -1)


def pick_candidates(
    split: SplitClassifier,
    samples: SampleSet,
    *,
    images_per_class: int,
    levels: Sequence[float],
    targets_per_victim: int,
    likely: Collection[tuple[int, int]] | None = None,
) -> list[Pointer]:
    """The likeliest targets of every victim class, each with the channel that points to it.

    A channel points from a victim to the class whose logit it lifts most in every sampled image
    of the victim. A pair's score is the least lead of that class over the runner-up, for its best
    channel. Where fewer targets are pointed to than asked for, those whose logit some channel
    lifts furthest in every image follow.

    Args:
        split: The classifier, cut at the layer to stimulate.
        samples: Clean images; classes without any are neither victim nor target.
        images_per_class: Images of each class to stimulate.
        levels: Shares of the greatest activation.
        targets_per_victim: Pairs kept for each victim.
        likely: Pairs of victim and target to choose from; None for all. Each victim has one.

    Source: ABS, TrojAI rounds 2 and 3. *Differs from the released code:* targets are ranked by
    stimulation alone, since its test for frequent runner-ups never takes effect.
    """
    present = [index for index, count in enumerate(samples.counts()) if count > 0]
    found: list[Pointer] = []
    for victim in present:
        images = samples.of_class(victim)[:images_per_class]
        lift = elevations(split, images, levels=levels)
        others = [target for target in present if target != victim]
        if likely is not None:
            others = [target for target in others if (victim, target) in likely]
        lift = lift[:, :, others]
        scores, channels = _pair_scores(lift)
        for place in scores.argsort(descending=True)[:targets_per_victim].tolist():
            found.append((victim, others[place], int(channels[place])))
    return found


def _pair_scores(lift: Float[Tensor, "n c k"]) -> tuple[Tensor, Tensor]:
    """Score and best channel of each target; pointed-to targets come before all others."""
    if lift.shape[2] == 1:
        least = lift.amin(dim=0)
        return least.max(dim=0).values, least.argmax(dim=0)
    top = lift.topk(2, dim=2)
    lead = (top.values[..., 0] - top.values[..., 1]).amin(dim=0)
    winner = top.indices[..., 0]
    agreed = (winner == winner[:1]).all(dim=0)
    pointed = lift.new_full(lift.shape[1:], -torch.inf)
    rows = agreed.nonzero().flatten()
    pointed[rows, winner[0, rows]] = lead[rows]
    least = lift.amin(dim=0)
    span = least.max() - least.min() + 1
    # Shifted below every pointed-to score, so that the fallback only fills up.
    floor = torch.where(pointed.isfinite(), pointed, torch.inf).min().clamp(max=0)
    ranked = torch.where(pointed.isfinite(), pointed, floor - span + (least - least.max()))
    return ranked.max(dim=0).values, ranked.argmax(dim=0)
