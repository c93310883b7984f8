"""Occlusion at an inner layer, then the L2 distance over the important neurons."""

from jaxtyping import Float
from torch import Tensor

from exray.judges.baselines.feature_distance import AttributionDistance
from exray.models.splitting.split_classifier import SplitClassifier

_PASSES = 16  # neurons that are occluded in one pass through the head


class OcclusionDistance(AttributionDistance):
    """Importance by how much the class's logit falls when the whole feature map is zero.

    Args:
        layer: Rule or module path at which the network is cut.
        rule: Turns the distance into a verdict.
        important_share: Share of the neurons that counts as important, in (0, 1].

    Source: EX-RAY, section 4.1, fifth baseline; Ancona et al. 2018.
    """

    what = "of the neurons important by occlusion"

    def _attribute(
        self, split: SplitClassifier, features: Float[Tensor, "n c ..."], class_index: int
    ) -> Float[Tensor, "n c ..."]:
        """The logit's fall without each neuron, spread evenly over its feature map."""

        def head(occluded: Tensor) -> Tensor:
            logits: Tensor = split.head(
                occluded.clone()
            )  # it may begin with an in-place activation
            return logits

        attributions: Tensor = self.attributions.Occlusion(head).attribute(
            features,
            sliding_window_shapes=(1, *features.shape[2:]),
            target=class_index,
            perturbations_per_eval=_PASSES,
        )
        return attributions.detach() / max(1, features[0, 0].numel())
