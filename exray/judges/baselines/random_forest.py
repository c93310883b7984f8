"""The inputs of the paper's random forest; the forest itself is fitted over a zoo, afterwards."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.judges.base import Judgement, LayerJudge, absence
from exray.judges.baselines.features import channel_scale, l2_distance, mean_activations
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.triggers.base import InvertedTrigger


class ForestMeasurements(LayerJudge):
    """Measures the forest's six inputs and leaves the verdict to it.

    The inputs are the L2 distances between V+t and T, T+t and T, V and T, and the logits of V, V+t
    and T; of the logits the victim's and the target's, so that they mean the same whatever the
    number of classes. Until a forest has been fitted over a zoo's stored measurements
    (`exray.evaluation.rejudging.random_forest`, ``task=rejudge rejudge=forest``) every trigger
    stays injected with score 0.5, which is the scanner's answer.

    Args:
        layer: Rule or module path at which the network is cut.

    Source: EX-RAY, section 4.1, second baseline.
    """

    def judge(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """One judgement per trigger, holding the inputs as measurements.

        One whose victim or target class has no images has none.
        """
        if not triggers:
            return []
        split = self.split(classifier, samples)
        return [_judgement(split, samples, trigger) for trigger in triggers]


def _judgement(split: SplitClassifier, samples: SampleSet, trigger: InvertedTrigger) -> Judgement:
    missing = absence(samples, trigger)
    return Judgement(
        is_injected=True,
        score=0.5,
        reason=f"injected by default: {missing or 'measured for the random forest, not judged'}",
        measurements={"applicable": 0.0} if missing else _inputs(split, samples, trigger),
    )


def _inputs(
    split: SplitClassifier, samples: SampleSet, trigger: InvertedTrigger
) -> dict[str, float]:
    images = _images(samples, trigger)
    features = {name: split.cached_features(batch) for name, batch in images.items()}
    scale = channel_scale(list(features.values()))
    means = {name: mean_activations(values, scale) for name, values in features.items()}
    inputs = {
        f"distance_{name}_target": l2_distance(means[name], means["target"])
        for name in ("stamped_victim", "stamped_target", "victim")
    }
    for name in ("victim", "stamped_victim", "target"):
        logits = _mean_logits(split, features[name])
        inputs[f"victim_logit_of_{name}"] = float(logits[trigger.victim_class])
        inputs[f"target_logit_of_{name}"] = float(logits[trigger.target_class])
    return inputs


def _images(samples: SampleSet, trigger: InvertedTrigger) -> dict[str, Tensor]:
    """V, T, V+t and T+t."""
    victim = samples.require_class(trigger.victim_class)
    target = samples.require_class(trigger.target_class)
    return {
        "victim": victim,
        "target": target,
        "stamped_victim": trigger.trigger.apply(victim),
        "stamped_target": trigger.trigger.apply(target),
    }


@torch.no_grad()
def _mean_logits(split: SplitClassifier, features: Float[Tensor, "n c ..."]) -> Float[Tensor, " k"]:
    logits: Tensor = split.head(features)
    return logits.mean(dim=0)
