"""Feature-shift tuning: the last layer is learned anew and kept away from what it was."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.last_layer import last_linear
from exray.repair.base import RepairMethod
from exray.repair.fine_tuning import FineTuning, WeightConstraint, fine_tune
from exray.repair.trainable import trainable_copy
from exray.seeding import generator
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class FeatureShiftTuning(RepairMethod):
    """Fine-tunes all weights after the last linear layer W was replaced by a random one.

    A backdoor that survives plain fine-tuning lives in features that the last layer reads. With W
    redrawn, features and W are learned anew under

        cross-entropy + alpha <W, W0> / |W0|^2,  |W| = |W0|,

    W0 being the original, so that they shift away from those that the trigger was tied to.

    Args:
        fine_tuning: How long and how fast; triggers are stamped on its share of the images.
        alpha: Weight of the inner product, >= 0, in nats.

    Raises:
        ValueError: If ``alpha`` is negative.

    Source: Min et al. 2023, Towards stable backdoor purification through feature shift tuning.
    *Differs from the paper:* the inner product is in units of the squared norm, so that one
    ``alpha`` serves networks of every width; and triggers may be stamped, too.
    """

    fine_tuning: FineTuning
    alpha: float

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"alpha must be >= 0; got {self.alpha}")

    def repaired(
        self,
        classifier: Classifier,
        samples: SampleSet,
        triggers: Sequence[InvertedTrigger],
        *,
        seed: int,
    ) -> Classifier:
        """The classifier after tuning with a new last layer.

        Raises:
            ValueError: If its logits do not come from a linear layer or a 1 x 1 convolution.
        """
        network = trainable_copy(classifier, samples.images, samples.labels)
        last = last_linear(network, classifier.preprocessing(samples.images[:2]))
        if last is None:
            raise ValueError(
                "feature-shift tuning needs a network that ends in a linear layer or a 1 x 1 "
                "convolution; use repair=unlearning or repair=fine_pruning"
            )
        constraint = AwayFrom(last, alpha=self.alpha)
        _redraw(last, seed=seed)
        constraint.enforce(network)
        fine_tune(
            network,
            classifier,
            samples,
            triggers,
            self.fine_tuning,
            seed=seed,
            constraint=constraint,
        )
        return classifier.around(network)


class AwayFrom(WeightConstraint):
    """Penalises a layer's weights along what they were, and holds their norm.

    Args:
        layer: As it is now.
        alpha: Weight of the penalty, in nats.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, *, alpha: float) -> None:
        self.layer = layer
        self.alpha = alpha
        self.original = layer.weight.detach().clone()

    def penalty(self, network: nn.Module) -> Float[Tensor, ""]:
        """The share of the original direction in the weights, times alpha."""
        del network
        shared = (self.layer.weight * self.original).sum() / (self.original**2).sum()
        return self.alpha * shared

    @torch.no_grad()
    def enforce(self, network: nn.Module) -> None:
        """Gives the weights the original's norm."""
        del network
        norm = self.layer.weight.norm()
        self.layer.weight.mul_(self.original.norm() / norm.clamp_min(1e-12))


@torch.no_grad()
def _redraw(layer: nn.Linear | nn.Conv2d, *, seed: int) -> None:
    """Random weights, as new layers have them, and no bias."""
    stream = generator(seed, "last layer")
    drawn = torch.randn(layer.weight.shape, generator=stream)
    layer.weight.copy_(drawn.to(layer.weight))
    if layer.bias is not None:
        layer.bias.zero_()
