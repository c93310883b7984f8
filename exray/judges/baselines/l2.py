"""Inner L2: how far stamped samples are from the target's, over all neurons of a layer."""

from jaxtyping import Int
from torch import Tensor

from exray.judges.baselines.feature_distance import NeuronDistance
from exray.judges.baselines.features import FeatureSets
from exray.models.splitting.split_classifier import SplitClassifier
from exray.triggers.base import InvertedTrigger


class InnerL2(NeuronDistance):
    """The distance of mean activations between V+t and T, expected to be small if natural.

    Args:
        layer: Rule or module path at which the network is cut.
        rule: Turns the distance into a verdict.

    Source: EX-RAY, section 2 (figure 6) and section 4.1, first baseline.
    """

    what = "of all neurons"

    def _refusal(self, trigger: InvertedTrigger) -> str:
        """None; every trigger can be judged."""
        del trigger
        return ""

    def _neurons(
        self, split: SplitClassifier, sets: FeatureSets, trigger: InvertedTrigger
    ) -> Int[Tensor, " k"] | None:
        """All of them."""
        del split, sets, trigger
        return None
