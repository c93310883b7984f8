"""Judges that compare stamped with target samples on some of the neurons at an inner layer."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.extras import import_extra
from exray.images.samples import SampleSet
from exray.judges.base import Judgement, LayerJudge, absence
from exray.judges.baselines.distance_rule import DistanceRule
from exray.judges.baselines.features import (
    FeatureSets,
    channel_scale,
    feature_sets,
    l2_distance,
    mean_activations,
)
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.triggers.base import InvertedTrigger


class NeuronDistance(LayerJudge):
    """The L2 distance between V+t and T over neurons that a subclass chooses.

    A neuron is a feature map, as everywhere in the paper.

    Args:
        layer: Rule or module path at which the network is cut.
        rule: Turns the distance into a verdict.
    """

    what: str
    """Which neurons the distance is of, in words."""

    def __init__(self, *, layer: str, rule: DistanceRule) -> None:
        super().__init__(layer=layer)
        self.rule = rule

    def judge(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """One judgement per trigger; one that cannot be judged stays injected, as scanners say."""
        if not triggers:
            return []
        split = self.split(classifier, samples)
        return [self._judgement(split, samples, trigger) for trigger in triggers]

    def _judgement(
        self, split: SplitClassifier, samples: SampleSet, trigger: InvertedTrigger
    ) -> Judgement:
        reason = absence(samples, trigger) or self._refusal(trigger)
        if reason:
            return Judgement(
                is_injected=True,
                score=0.5,
                reason=f"injected by default: {reason}",
                measurements={"applicable": 0.0},
            )
        sets = feature_sets(split, samples, trigger)
        neurons = self._neurons(split, sets, trigger)
        scale = channel_scale([sets.victim, sets.target, sets.stamped])
        distance = l2_distance(
            mean_activations(sets.stamped, scale), mean_activations(sets.target, scale), neurons
        )
        count = split.num_channels if neurons is None else len(neurons)
        return self.rule.decide(distance, self.what, {"num_neurons": float(count)})

    @abstractmethod
    def _refusal(self, trigger: InvertedTrigger) -> str:
        """Why this judge cannot judge such a trigger; empty where it can."""

    @abstractmethod
    def _neurons(
        self, split: SplitClassifier, sets: FeatureSets, trigger: InvertedTrigger
    ) -> Int[Tensor, " k"] | None:
        """The neurons that are compared; None for all."""


class AttributionDistance(NeuronDistance):
    """The L2 distance over neurons that are important for V+t as well as for T.

    Importance is an attribution method's, of the target's logit to each feature map; the most
    important share of each set is taken and the distance runs over those in both. If there are
    none, it runs over the neurons in either.

    Args:
        layer: Rule or module path at which the network is cut.
        rule: Turns the distance into a verdict.
        important_share: Share of the neurons that counts as important, in (0, 1].

    Raises:
        ValueError: If the share lies outside (0, 1], or captum is not installed.

    Source: EX-RAY, sections 2 (figure 7) and 4.1. *Differs from the paper:* which does not say
        what happens where the two sets have no important neuron in common.
    """

    def __init__(self, *, layer: str, rule: DistanceRule, important_share: float) -> None:
        super().__init__(layer=layer, rule=rule)
        if isinstance(important_share, str) or not 0 < important_share <= 1:
            raise ValueError(f"important_share must lie in (0, 1]; got {important_share!r}")
        self.important_share = important_share
        self.attributions = import_extra("captum.attr", extra="baselines", purpose="this judge")

    def _refusal(self, trigger: InvertedTrigger) -> str:
        """None; every trigger can be judged."""
        del trigger
        return ""

    def _neurons(
        self, split: SplitClassifier, sets: FeatureSets, trigger: InvertedTrigger
    ) -> Int[Tensor, " k"]:
        """The neurons important in both sets, or in either where no neuron is in both."""
        first, second = (
            most_important(
                importance(self._attribute(split, features, trigger.target_class)),
                self.important_share,
            )
            for features in (sets.stamped, sets.target)
        )
        shared = first[torch.isin(first, second)]
        return shared if len(shared) else torch.unique(torch.cat([first, second]))

    @abstractmethod
    def _attribute(
        self, split: SplitClassifier, features: Float[Tensor, "n c ..."], class_index: int
    ) -> Float[Tensor, "n c ..."]:
        """What each feature contributes to one class's logit."""


def importance(attributions: Float[Tensor, "n c ..."]) -> Float[Tensor, " c"]:
    """How much each feature map matters: its summed attribution, absolute, mean over samples.

    Args:
        attributions: Of each feature of each sample.

    Example:
        >>> importance(torch.tensor([[[1.0, 1.0], [-3.0, 0.0]]]))
        tensor([2., 3.])
    """
    num_samples, num_neurons = attributions.shape[:2]
    return attributions.reshape(num_samples, num_neurons, -1).sum(dim=2).abs().mean(dim=0)


def most_important(values: Float[Tensor, " c"], share: float) -> Int[Tensor, " k"]:
    """The neurons with the greatest values, at least one.

    Args:
        values: Importance of each neuron.
        share: How many of them, as a share in (0, 1].

    Example:
        >>> most_important(torch.tensor([1.0, 5.0, 3.0, 2.0]), 0.5).tolist()
        [1, 2]
    """
    return values.topk(max(1, round(share * len(values)))).indices
