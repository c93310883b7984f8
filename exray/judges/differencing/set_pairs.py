"""Which sets of features are differenced for which triggers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from exray.images.samples import SampleSet
from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair
from exray.judges.differencing.stamped_evidence import confidence_shift, tube_ratio
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
            target's mean cross-entropy on all of them (``entropy_stamped_target``, nats) and their
            log-odds against those of the target's clean images (``confidence_shift``, nats), the
            changed share of the image (``size_share``) and, of the flipped images, how far their
            features lie from the target's (``tube_ratio``, a logarithm).
    """

    head: nn.Module
    pairs: FeaturePairs | None
    first: list[int | None]
    second: list[int | None]
    strengths: list[dict[str, float]]

    @property
    def places(self) -> list[tuple[int, int] | None]:
        """Both indices of each trigger; None at a success rate of zero."""
        return [
            None if first is None or second is None else (first, second)
            for first, second in zip(self.first, self.second, strict=True)
        ]


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
    targets = {trigger.target_class for trigger in triggers}
    logits = {target: split.classifier.predict(samples.of_class(target)) for target in targets}
    num_rows = len(samples)
    pairs: list[SetPair] = []
    natural: dict[tuple[int, int], int] = {}
    first: list[int | None] = []
    second: list[int | None] = []
    strengths: list[dict[str, float]] = []
    for trigger in triggers:
        classes = trigger.victim_class, trigger.target_class
        rows = [_rows(samples, index) for index in classes]
        stamped = _stamped(split.classifier, samples, trigger)
        strengths.append(_strength(stamped, logits[trigger.target_class].float(), trigger))
        if not stamped.flips.any():
            first.append(None)
            second.append(None)
            continue
        if classes not in natural:
            natural[classes] = len(pairs)
            pairs.append(_set_pair(rows[0], rows[1], classes, one_to_one=False))
        bank.append(split.cached_features(stamped.images[stamped.flips]))
        strengths[-1] |= _tube(bank[-1], bank[0][rows[1]])
        clean = [row for row, flips in zip(rows[0], stamped.flips.tolist(), strict=True) if flips]
        new = list(range(num_rows, num_rows + len(clean)))
        num_rows += len(new)
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


class _Stamped(NamedTuple):
    """The victim's stamped images, the logits, and which are taken for the target."""

    images: Float[Tensor, "n c h w"]
    logits: Float[Tensor, "n k"]
    flips: Bool[Tensor, " n"]


def _stamped(classifier: Classifier, samples: SampleSet, trigger: InvertedTrigger) -> _Stamped:
    images = trigger.trigger.apply(samples.of_class(trigger.victim_class))
    logits = classifier.predict(images).float()
    return _Stamped(images, logits, logits.argmax(dim=1) == trigger.target_class)


def _strength(
    stamped: _Stamped, clean_logits: Float[Tensor, "m k"], trigger: InvertedTrigger
) -> dict[str, float]:
    """How strongly a trigger acts on all images of the victim, and the size of it."""
    height, width = stamped.images.shape[-2:]
    target = trigger.target_class
    classes = torch.full((len(stamped.logits),), target, device=stamped.logits.device)
    return {
        "flipped": float(stamped.flips.double().mean()),
        "entropy_stamped_target": float(cross_entropy(stamped.logits, classes)),
        "confidence_shift": confidence_shift(stamped.logits, clean_logits, target),
        "size_share": trigger.trigger.size_pixels / (height * width),
    }


def _tube(stamped: Float[Tensor, "n c ..."], clean: Float[Tensor, "m c ..."]) -> dict[str, float]:
    """The tube ratio, where there is one."""
    ratio = tube_ratio(stamped, clean)
    return {} if ratio is None else {"tube_ratio": ratio}
