"""Network dissection: neurons active where the trigger is, then the L2 distance over them."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from exray.judges.baselines.distance_rule import DistanceRule
from exray.judges.baselines.feature_distance import NeuronDistance, most_important
from exray.judges.baselines.features import FeatureSets
from exray.models.splitting.split_classifier import SplitClassifier
from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import OPACITY_BAR, PatchTrigger


class NetworkDissectionDistance(NeuronDistance):
    """The L2 distance over neurons whose strong activations cover the trigger's region.

    A neuron's map is enlarged to the image; its strongest places over all stamped samples make its
    region, and the overlap (intersection over union) with the trigger's region is its importance.
    A trigger without a region, a filter for one, cannot be judged so: it stays injected, which is
    the scanner's answer, with score 0.5 and the measurement ``applicable`` 0.

    Args:
        layer: Rule or module path at which the network is cut.
        rule: Turns the distance into a verdict.
        important_share: Share of the neurons that counts as important, in (0, 1].
        activation_share: Share of a neuron's activations that counts as strong, in (0, 1).

    Raises:
        ValueError: If a share is out of range.

    Source: EX-RAY, section 4.1, sixth baseline ("NE"); Bau et al. 2017, section 2. *Differs from
        the paper:* which does not say what region the target's samples have; here the neurons are
        chosen on the stamped samples alone.
    """

    what = "of the neurons that answer where the trigger is"

    def __init__(
        self, *, layer: str, rule: DistanceRule, important_share: float, activation_share: float
    ) -> None:
        super().__init__(layer=layer, rule=rule)
        if isinstance(important_share, str) or not 0 < important_share <= 1:
            raise ValueError(f"important_share must lie in (0, 1]; got {important_share!r}")
        if isinstance(activation_share, str) or not 0 < activation_share < 1:
            raise ValueError(f"activation_share must lie in (0, 1); got {activation_share!r}")
        self.important_share = important_share
        self.activation_share = activation_share

    def _refusal(self, trigger: InvertedTrigger) -> str:
        """Only a patch has a region."""
        if isinstance(trigger.trigger, PatchTrigger):
            return ""
        return (
            "network dissection needs the region that a trigger covers, and a "
            f"{type(trigger.trigger).__name__} covers the whole image"
        )

    def _neurons(
        self, split: SplitClassifier, sets: FeatureSets, trigger: InvertedTrigger
    ) -> Int[Tensor, " k"] | None:
        """The neurons with the greatest overlap; all where the features have no places."""
        del split
        if sets.stamped.dim() != 4:
            return None
        assert isinstance(trigger.trigger, PatchTrigger)
        region = trigger.trigger.mask > OPACITY_BAR
        overlap = region_overlap(sets.stamped, region, self.activation_share)
        return most_important(overlap, self.important_share)


def region_overlap(
    features: Float[Tensor, "n c h w"], region: Bool[Tensor, "h2 w2"], share: float
) -> Float[Tensor, " c"]:
    """How well each neuron's strong activations cover a region of the image.

    Args:
        features: Feature maps of the samples.
        region: Pixels of the image that belong to it.
        share: Share of a neuron's activations that counts as strong.

    Returns:
        Intersection over union of each neuron, over all samples.
    """
    size = tuple(region.shape)
    maps = interpolate(features, size=size, mode="bilinear", align_corners=False)
    values = maps.transpose(0, 1).flatten(1)
    num_strong = max(1, round(share * values.shape[1]))
    bars = values.topk(num_strong, dim=1).values[:, -1:]
    strong = (values >= bars) & (values > values.amin(dim=1, keepdim=True))
    inside = region.expand(len(features), *size).flatten()
    shared = (strong & inside).sum(dim=1)
    covered = (strong | inside).sum(dim=1)
    return shared / torch.clamp(covered, min=1)
