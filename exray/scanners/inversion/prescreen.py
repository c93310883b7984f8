"""K-Arm's pre-screen: pairs that the runner-up classes of clean images point to."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.validation import present_classes, require_count


@dataclass(frozen=True, kw_only=True)
class PrescreenSettings:
    """Which pairs clean images point to.

    Args:
        share: Share of a victim's images among whose likeliest classes a target must be, a
            fraction; 0 keeps the likeliest targets whatever their share.
        targets_per_victim: Maximum number of targets per victim.

    Raises:
        ValueError: If the share is no fraction or the count is not positive.
    """

    share: float
    targets_per_victim: int

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be a fraction in [0, 1]; got {self.share!r}")
        require_count("targets_per_victim", self.targets_per_victim)


def likely_pairs(
    classifier: Classifier, samples: SampleSet, settings: PrescreenSettings
) -> list[tuple[int, int]]:
    """Victims with the targets that are among their images' likeliest classes.

    A backdoor raises its target's probability on its victim's clean images, too. Per victim the
    targets among the top k probabilities (2 up to 8 classes, a quarter of them beyond) of at least
    ``share`` of its images are kept, the likeliest first. Without any, the likeliest are kept.

    Args:
        classifier: The classifier to scan.
        samples: Clean images; classes without any are neither victim nor target.
        settings: The share, and the maximum number of targets.

    Source: K-Arm (facts, section 5). *Differs from the released code:* a maximum of
    targets per victim rather than of victims per target; no victim is left without a pair.
    """
    present = present_classes(samples)
    pairs: list[tuple[int, int]] = []
    for victim in present:
        probabilities = classifier.predict(samples.of_class(victim)).softmax(dim=1)
        shares = _shares_on_top(probabilities, len(present)).tolist()
        means = probabilities.mean(dim=0).tolist()
        others = sorted((t for t in present if t != victim), key=lambda t: -means[t])
        often = [target for target in others if shares[target] >= settings.share]
        pairs += [(victim, target) for target in (often or others)[: settings.targets_per_victim]]
    return pairs


def likely_universal_targets(
    classifier: Classifier, samples: SampleSet, *, share: float
) -> list[int]:
    """Targets that are among the likeliest classes of nearly all images of the other classes.

    Args:
        classifier: The classifier to scan.
        samples: Clean images; classes without any are no target.
        share: Share of the other classes' images, a fraction; reached, not exceeded.

    Source: K-Arm (facts, section 5). *Differs from the released code:* a target's own images do
    not count; several targets may be likely, and the pairs are tried beside them.
    """
    present = present_classes(samples)
    probabilities = classifier.predict(samples.images).softmax(dim=1)
    targets = []
    for target in present:
        others = probabilities[samples.labels != target]
        if float(_shares_on_top(others, len(present))[target]) >= share:
            targets.append(target)
    return targets


def _shares_on_top(probabilities: Float[Tensor, "n k"], num_present: int) -> Float[Tensor, " k"]:
    """Per class the share of the images among whose top k it is."""
    top_k = 2 if num_present <= 8 else round(0.25 * num_present)
    top = probabilities.topk(min(top_k, probabilities.shape[1]), dim=1).indices
    often = torch.nn.functional.one_hot(top, probabilities.shape[1]).sum(dim=1)
    return often.double().mean(dim=0)
