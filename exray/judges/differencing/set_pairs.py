"""Which sets of features are differenced for which triggers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from exray.images.samples import SampleSet
from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair
from exray.models.classifier import Classifier
from exray.models.splitting.affine_prefix import hoisted
from exray.models.splitting.split_classifier import SplitClassifier
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class DifferencingPlan:
    """Which pair of sets gives M1 and which M2 of each trigger.

    Args:
        head: The part of the network that the pairs' features enter: the head after the cut, less
            the affine layers that were moved into the features.
        pairs: All pairs of sets; None if every trigger has an attack success rate of zero.
        first: Index of each trigger's (victim, target) pair; None at a success rate of zero.
        second: Index of its (victim, stamped) pair.
        strengths: Per trigger the share of the victim's images it flips (``flipped``), the
            target's mean cross-entropy on all of them (``entropy_stamped_target``, nats) and the
            changed share of the image (``size_share``).
    """

    head: nn.Module
    pairs: FeaturePairs | None
    first: list[int | None]
    second: list[int | None]
    strengths: list[dict[str, float]]


def plan_pairs(
    split: SplitClassifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
) -> DifferencingPlan:
    """Features of all clean and stamped samples, and the pairs of sets to difference.

    Args:
        split: The classifier, cut.
        samples: Clean images that it gets right.
        triggers: The triggers to judge.

    Raises:
        ValueError: If a trigger's victim or target class has no images.
    """
    bank = [split.cached_features(samples.images)]
    num_rows = len(samples)
    pairs: list[SetPair] = []
    natural: dict[tuple[int, int], int] = {}
    first: list[int | None] = []
    second: list[int | None] = []
    strengths: list[dict[str, float]] = []
    for trigger in triggers:
        classes = trigger.victim_class, trigger.target_class
        rows = [_rows(samples, index) for index in classes]
        stamped, flipped, strength = _stamped(split.classifier, samples, trigger)
        strengths.append(strength)
        if not len(stamped):
            first.append(None)
            second.append(None)
            continue
        if classes not in natural:
            natural[classes] = len(pairs)
            pairs.append(_set_pair(rows[0], rows[1], classes, one_to_one=False))
        bank.append(split.cached_features(stamped))
        clean = [row for row, flips in zip(rows[0], flipped.tolist(), strict=True) if flips]
        new = list(range(num_rows, num_rows + len(stamped)))
        num_rows += len(stamped)
        first.append(natural[classes])
        second.append(len(pairs))
        pairs.append(_set_pair(clean, new, classes, one_to_one=True))
    parts = hoisted(split.head)
    with torch.no_grad():
        together = FeaturePairs(parts.prefix(torch.cat(bank)), pairs) if pairs else None
    return DifferencingPlan(
        head=parts.rest, pairs=together, first=first, second=second, strengths=strengths
    )


def _rows(samples: SampleSet, class_index: int) -> list[int]:
    samples.require_class(class_index)
    rows: list[int] = (samples.labels == class_index).nonzero().flatten().tolist()
    return rows


def _set_pair(
    first: list[int], second: list[int], classes: tuple[int, int], *, one_to_one: bool
) -> SetPair:
    return SetPair(
        first=tuple(first),
        second=tuple(second),
        first_class=classes[0],
        second_class=classes[1],
        one_to_one=one_to_one,
    )


def _stamped(
    classifier: Classifier, samples: SampleSet, trigger: InvertedTrigger
) -> tuple[Float[Tensor, "m 3 h w"], Bool[Tensor, " n"], dict[str, float]]:
    """The victim's stamped images that are taken for the target, which, and how strongly."""
    stamped = trigger.trigger.apply(samples.of_class(trigger.victim_class))
    logits = classifier.predict(stamped).float()
    flips = logits.argmax(dim=1) == trigger.target_class
    target = torch.full((len(stamped),), trigger.target_class, device=logits.device)
    strength = {
        "flipped": float(flips.double().mean()),
        "entropy_stamped_target": float(cross_entropy(logits, target)),
        "size_share": trigger.trigger.size_pixels / (stamped.shape[-2] * stamped.shape[-1]),
    }
    return stamped[flips], flips, strength
