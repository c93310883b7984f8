"""K-Arm's pre-screen: the pairs that the clean images' own runner-up classes point to."""

import torch

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier


def likely_pairs(
    classifier: Classifier, samples: SampleSet, *, share: float, targets_per_victim: int
) -> list[tuple[int, int]]:
    """Victims with the targets that are among their images' likeliest classes.

    A backdoor lifts its target on its victim's clean images too. Of each victim those targets are
    kept that are among the top k probabilities (2 up to 8 classes, a quarter of them beyond) of at
    least ``share`` of its images, the likeliest first. Without any, the likeliest ones are kept.

    Args:
        classifier: What is scanned.
        samples: Clean images; classes without any are neither victim nor target.
        share: Of the victim's images, a fraction.
        targets_per_victim: Targets kept of each victim, at most.

    Source: K-Arm (facts, section 5). *Differs from the released code:* at most so many targets a
    victim rather than victims a target; no victim is left without a pair.
    """
    present = [index for index, count in enumerate(samples.counts()) if count > 0]
    top_k = 2 if len(present) <= 8 else round(0.25 * len(present))
    pairs: list[tuple[int, int]] = []
    for victim in present:
        probabilities = classifier.predict(samples.of_class(victim)).softmax(dim=1)
        top = probabilities.topk(min(top_k, probabilities.shape[1]), dim=1).indices
        often = torch.nn.functional.one_hot(top, probabilities.shape[1]).sum(dim=1)
        shares = often.double().mean(dim=0).tolist()
        means = probabilities.mean(dim=0).tolist()
        others = sorted((t for t in present if t != victim), key=lambda t: -means[t])
        kept = [target for target in others if shares[target] >= share][:targets_per_victim]
        pairs += [(victim, target) for target in kept or others[:targets_per_victim]]
    return pairs
