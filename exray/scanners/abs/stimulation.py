"""Neuron stimulation analysis: which inner channel pushes which class towards which other."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.validation import require_count

_BATCH = 256  # feature maps per call of the head


class StimulatedPair(NamedTuple):
    """A victim class, a target class, and the stimulated channel that points to it."""

    victim: int
    target: int
    channel: int


@dataclass(frozen=True, kw_only=True)
class StimulationSettings:
    """How neurons are stimulated.

    Args:
        layer: Rule or module path of the layer whose channels are stimulated.
        images_per_class: Images per class.
        levels: Shares of the layer's greatest activation, the first of them 0.
        targets_per_victim: Pairs per victim class that are inverted.

    Raises:
        ValueError: If the levels do not begin with 0 or a count is not positive.
    """

    layer: str
    images_per_class: int
    levels: tuple[float, ...]
    targets_per_victim: int

    def __post_init__(self) -> None:
        if len(self.levels) < 2 or self.levels[0] != 0:
            raise ValueError(
                f"levels must begin with 0 and hold another level; got {list(self.levels)}"
            )
        require_count("images_per_class", self.images_per_class)
        require_count("targets_per_victim", self.targets_per_victim)


@torch.no_grad()
def elevations(
    split: SplitClassifier,
    images: Float[Tensor, "n c h w"],
    *,
    levels: Sequence[float],
) -> Float[Tensor, "n channels k"]:
    """The gain of each logit of each image when a channel is stimulated alone.

    A channel's whole feature map is set to ``level`` times the channel layer's greatest activation
    over the images; the gain is the highest logit over the levels above 0, minus the one at 0.

    Args:
        split: The classifier, cut at the layer to stimulate.
        images: Clean images of one class.
        levels: Shares of the greatest activation, the first of them 0.

    Source: ABS, section 4.1, as in its TrojAI version (facts, section 2.2).
    """
    features = split.cached_features(images)
    peak = float(features.max())
    logits = torch.stack([_stimulated_logits(split, features, lv * peak) for lv in levels])
    return logits[1:].amax(dim=0) - logits[0]


def _stimulated_logits(
    split: SplitClassifier, features: Float[Tensor, "n c ..."], value: float
) -> Float[Tensor, "n c k"]:
    """Logits with each channel in turn set to ``value``."""
    num_images, channels = features.shape[:2]
    pairs = torch.cartesian_prod(torch.arange(num_images), torch.arange(channels))
    logits = []
    for part in torch.split(pairs, _BATCH):
        changed = features[part[:, 0]].clone()
        changed[torch.arange(len(part)), part[:, 1]] = value
        logits.append(split.logits(changed))
    return torch.cat(logits).view(num_images, channels, -1)


def stimulated_pairs(
    split: SplitClassifier,
    samples: SampleSet,
    settings: StimulationSettings,
    *,
    likely: Collection[tuple[int, int]] | None = None,
) -> list[StimulatedPair]:
    """The likeliest targets of every victim class, with the channel that points to them.

    A channel points from a victim to the class whose logit gains most in every sampled image of
    the victim. A pair's score is the least margin of that class over the runner-up, for its best
    channel. If fewer targets are pointed to than asked for, those whose logit gains most by some
    channel in every image follow.

    Args:
        split: The classifier, cut at the layer to stimulate.
        samples: Clean images; classes without any are neither victim nor target.
        settings: How neurons are stimulated.
        likely: Pairs of victim and target to choose from; None for all. Each victim has one.

    Source: ABS, TrojAI rounds 2 and 3. *Differs from the released code:* targets are ranked by
    stimulation alone, since its test for frequent runner-ups never takes effect.
    """
    present = [index for index, count in enumerate(samples.counts()) if count > 0]
    pairs: list[StimulatedPair] = []
    for victim in present:
        images = samples.of_class(victim)[: settings.images_per_class]
        gains = elevations(split, images, levels=settings.levels)
        others = [target for target in present if target != victim]
        if likely is not None:
            others = [target for target in others if (victim, target) in likely]
        scores, channels = _pair_scores(gains[:, :, others])
        for place in scores.argsort(descending=True)[: settings.targets_per_victim].tolist():
            pairs.append(StimulatedPair(victim, others[place], int(channels[place])))
    return pairs


def _pair_scores(gains: Float[Tensor, "n c k"]) -> tuple[Tensor, Tensor]:
    """Score and best channel per target; pointed-to targets come before all others."""
    if gains.shape[2] == 1:
        least = gains.amin(dim=0)
        return least.max(dim=0).values, least.argmax(dim=0)
    top = gains.topk(2, dim=2)
    lead = (top.values[..., 0] - top.values[..., 1]).amin(dim=0)
    winner = top.indices[..., 0]
    agree = (winner == winner[:1]).all(dim=0)
    pointed = gains.new_full(gains.shape[1:], -torch.inf)
    rows = agree.nonzero().flatten()
    pointed[rows, winner[0, rows]] = lead[rows]
    least = gains.amin(dim=0)
    span = least.max() - least.min() + 1
    # Shifted below every pointed-to score, so that the fallback only fills gaps.
    floor = torch.where(pointed.isfinite(), pointed, torch.inf).min().clamp(max=0)
    ranked = torch.where(pointed.isfinite(), pointed, floor - span + (least - least.max()))
    return ranked.max(dim=0).values, ranked.argmax(dim=0)
