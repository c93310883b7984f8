"""The paper's judge: differences two pairs of sample sets for every trigger and compares."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from exray.data.samples import SampleSet
from exray.differencing.decision import PaperRule
from exray.differencing.differencer import MaskResult, exchange_accuracies, find_masks
from exray.differencing.feature_pairs import FeaturePairs, SetPair
from exray.differencing.mask_optimization import MaskSettings
from exray.differencing.similarity import similarity
from exray.models.classifier import Classifier
from exray.models.splitting import SplitClassifier
from exray.triggers.judge import Judge, Judgement
from exray.triggers.trigger import InvertedTrigger

_EXAMPLES = 4  # images on which the split is checked


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Which pair of sets gives M1 and which M2 of each trigger."""

    pairs: FeaturePairs
    first: list[int]
    second: list[int]


class ExrayJudge(Judge):
    """Symmetric feature differencing.

    M1 tells the victim's samples from the target's, M2 the victim's samples from the same samples
    with the trigger; triggers of the same class pair share M1. All masks of a model are found in
    one optimisation.

    Args:
        layer: Rule or module path at which the network is cut.
        mask: The mask optimisation's numbers.
        rule: Turns measurements into a verdict.

    Source: EX-RAY, section 3. *Differs from the paper:* only stamped images that do flip take part
    in M2, since (2) cannot hold for the others.
    """

    def __init__(self, *, layer: str, mask: MaskSettings, rule: PaperRule) -> None:
        self.layer = layer
        self.mask = mask
        self.rule = rule

    def judge(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """One judgement for each trigger, with both masks.

        Raises:
            ValueError: If a trigger's victim or target class has no images, or it flips nothing.
        """
        if not triggers:
            return []
        split = SplitClassifier(classifier, self.layer, example=samples.images[:_EXAMPLES])
        plan = self._plan(split, samples, triggers)
        result = find_masks(split.head, plan.pairs, self.mask)
        own = exchange_accuracies(split.head, plan.pairs, result.masks, seed=self.mask.seed)
        return [self._judgement(split, plan, result, own, index) for index in range(len(triggers))]

    def _plan(
        self, split: SplitClassifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> _Plan:
        """Features of all clean and stamped samples, and the pairs of sets to difference."""
        bank = [split.cached_features(samples.images)]
        num_rows = len(samples)
        pairs: list[SetPair] = []
        natural: dict[tuple[int, int], int] = {}
        first, second = [], []
        for trigger in triggers:
            classes = trigger.victim_class, trigger.target_class
            rows = [_rows(samples, index) for index in classes]
            if classes not in natural:
                natural[classes] = len(pairs)
                pairs.append(_set_pair(rows[0], rows[1], classes, one_to_one=False))
            stamped, flipped = _flipped(split.classifier, samples, trigger)
            bank.append(split.cached_features(stamped))
            kept = [row for row, flips in zip(rows[0], flipped.tolist(), strict=True) if flips]
            new = list(range(num_rows, num_rows + len(stamped)))
            num_rows += len(stamped)
            first.append(natural[classes])
            second.append(len(pairs))
            pairs.append(_set_pair(kept, new, classes, one_to_one=True))
        return _Plan(pairs=FeaturePairs(torch.cat(bank), pairs), first=first, second=second)

    def _judgement(
        self,
        split: SplitClassifier,
        plan: _Plan,
        result: MaskResult,
        own: Float[Tensor, "pairs 2"],
        index: int,
    ) -> Judgement:
        first, second = plan.first[index], plan.second[index]
        masks = result.masks[first], result.masks[second]
        shared = similarity(*masks)
        sets = [plan.pairs.pairs[place] for place in (first, second)]
        swapped = torch.stack([masks[1], masks[0]])
        crossed = exchange_accuracies(
            split.head, FeaturePairs(plan.pairs.bank, sets), swapped, seed=self.mask.seed
        )
        measurements = {
            "similarity": shared.value,
            "similarity_first": shared.of_first,
            "similarity_second": shared.of_second,
            "mask_sum_victim_target": shared.first_sum,
            "mask_sum_victim_stamped": shared.second_sum,
            "converged_victim_target": float(result.converged[first]),
            "converged_victim_stamped": float(result.converged[second]),
            **_accuracies("cross", crossed[0], crossed[1]),
            **_accuracies("own", own[first], own[second]),
        }
        judgement = self.rule.decide(measurements)
        return Judgement(
            is_injected=judgement.is_injected,
            score=judgement.score,
            reason=judgement.reason,
            measurements=judgement.measurements,
            thresholds=judgement.thresholds,
            tensors={"mask_victim_target": masks[0], "mask_victim_stamped": masks[1]},
        )


def _rows(samples: SampleSet, class_index: int) -> list[int]:
    rows: list[int] = (samples.labels == class_index).nonzero().flatten().tolist()
    if not rows:
        raise ValueError(
            f"class {class_index} has no image that the classifier gets right; a trigger from or "
            "to it cannot be judged"
        )
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


def _flipped(
    classifier: Classifier, samples: SampleSet, trigger: InvertedTrigger
) -> tuple[Float[Tensor, "m 3 h w"], Bool[Tensor, " n"]]:
    """The victim's stamped images that are taken for the target, and which those are."""
    stamped = trigger.trigger.apply(samples.of_class(trigger.victim_class))
    flips = classifier.predict(stamped).argmax(dim=1) == trigger.target_class
    if not flips.any():
        raise ValueError(
            f"the trigger from class {trigger.victim_class} to {trigger.target_class} flips none "
            "of the victim's images; it cannot be judged"
        )
    return stamped[flips], flips


def _accuracies(
    kind: str, natural: Float[Tensor, " 2"], stamped: Float[Tensor, " 2"]
) -> dict[str, float]:
    """Names for the accuracies of both directions on both pairs of sets."""
    return {
        f"{kind}_target_into_victim": float(natural[0]),
        f"{kind}_victim_into_target": float(natural[1]),
        f"{kind}_stamped_into_victim": float(stamped[0]),
        f"{kind}_victim_into_stamped": float(stamped[1]),
    }
