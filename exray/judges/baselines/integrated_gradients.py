"""Integrated gradients at an inner layer, then the L2 distance over the important neurons."""

from jaxtyping import Float
from torch import Tensor

from exray.judges.baselines.distance_rule import DistanceRule
from exray.judges.baselines.feature_distance import AttributionDistance
from exray.models.splitting.split_classifier import SplitClassifier

_BATCH = 256  # samples times steps that go through the head at once


class IntegratedGradientsDistance(AttributionDistance):
    """Importance by the gradients on the line from zero activation to the activation.

    Args:
        layer: Rule or module path at which the network is cut.
        rule: Turns the distance into a verdict.
        important_share: Share of the neurons that counts as important, in (0, 1].
        steps: Points of the integral.

    Raises:
        ValueError: If ``steps`` is not positive.

    Source: EX-RAY, section 4.1, third baseline; Sundararajan et al. 2017.
    """

    what = "of the neurons important by integrated gradients"

    def __init__(
        self, *, layer: str, rule: DistanceRule, important_share: float, steps: int
    ) -> None:
        super().__init__(layer=layer, rule=rule, important_share=important_share)
        if not isinstance(steps, int) or steps < 1:
            raise ValueError(f"steps must be >= 1; got {steps!r}")
        self.steps = steps

    def _attribute(
        self, split: SplitClassifier, features: Float[Tensor, "n c ..."], class_index: int
    ) -> Float[Tensor, "n c ..."]:
        """Gradients of the class's logit, integrated from zero features."""

        def head(points: Tensor) -> Tensor:
            logits: Tensor = split.head(points.clone())  # it may begin with an in-place activation
            return logits

        attributions: Tensor = self.attributions.IntegratedGradients(head).attribute(
            features.clone().requires_grad_(),
            target=class_index,
            n_steps=self.steps,
            internal_batch_size=_BATCH,
        )
        return attributions.detach()
