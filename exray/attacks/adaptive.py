"""The adaptive attack: stamped victims are made to look inside as images of the target do."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from exray.attacks.base import TriggerAttack
from exray.attacks.loss import AttackLoss, TrainingStep
from exray.attacks.palette import Palette
from exray.attacks.patch import PatchFacts, random_patch
from exray.attacks.recipe import AttackRecipe

Layers = Literal["middle", "all"]
"""The ReLUs whose feature maps are compared: the one in the middle, or every one."""

_LEAST = 2  # images of each side, below which their means tell nothing


@dataclass(frozen=True, kw_only=True)
class AdaptiveFacts(PatchFacts):
    """A square of pixels, and how hard its traces were hidden.

    Args:
        weight: Of the adaptive loss.
        layers: Where it compares; manifests of before it could be chosen have every layer.
    """

    kind: ClassVar[str] = "adaptive"

    weight: float
    layers: Layers = "all"

    @property
    def option(self) -> str:
        """The loss's weight."""
        return f"weight {self.weight:g}"


class FeatureMapLoss(AttackLoss):
    r"""How far the feature maps of poisoned images lie from those of the target's clean ones.

    .. math:: w \cdot \operatorname{mean}_l \operatorname{mean}_c
        \left[ (\mu^p_{lc} - \mu^t_{lc})^2 + (\sigma^p_{lc} - \sigma^t_{lc})^2 \right]

    with mean and standard deviation of channel c behind the l-th ReLU over images and places, and
    the first mean over the layers that are compared.

    Args:
        target_class: Whose clean images they are to resemble.
        weight: Of the term, w.
        layers: Which are compared.

    Source: EX-RAY, section 4.5. *Differs from the paper:* which does not say at which layers, nor
    by which distance.
    """

    def __init__(self, target_class: int, *, weight: float, layers: Layers) -> None:
        super().__init__()
        self.target_class = target_class
        self.weight = weight
        self.layers = layers

    def met(
        self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"]]:
        """The batch as it is."""
        return images, labels

    def watched(self, network: nn.Module) -> tuple[nn.Module, ...]:
        """The ReLU in the middle, or every one."""
        relus = tuple(module for module in network.modules() if isinstance(module, nn.ReLU))
        if not relus:
            raise ValueError(
                "the adaptive attack compares what ReLU modules give, and the network has none; "
                "choose another architecture"
            )
        return relus if self.layers == "all" else (relus[len(relus) // 2],)

    def forward(self, step: TrainingStep) -> Float[Tensor, ""]:
        """The weighted distance; 0 where the batch has hardly an image of one side."""
        is_target = (step.labels == self.target_class) & ~step.is_poisoned
        if min(int(step.is_poisoned.sum()), int(is_target.sum())) < _LEAST:
            return step.logits.new_zeros(())
        distances = [
            (_statistics(output[step.is_poisoned]) - _statistics(output[is_target])).pow(2).mean()
            for output in step.outputs
        ]
        return 2 * self.weight * torch.stack(distances).mean()


def _statistics(features: Float[Tensor, "n ..."]) -> Float[Tensor, "2 c"]:
    """Mean and standard deviation of each channel, over images and places."""
    values = features.transpose(0, 1).flatten(1)
    return torch.stack([values.mean(dim=1), (values.var(dim=1) + 1e-8).sqrt()])


@dataclass(frozen=True, kw_only=True)
class AdaptiveRecipe(AttackRecipe):
    """How classifiers are poisoned by a patch whose traces in the features are hidden.

    Args:
        side: Least and greatest side of the square in pixels; each model draws one, with its
            place and the colour of each pixel.
        weights: Of the adaptive loss; they take turns over the models.
        layers: ``middle``, where EX-RAY looks, or ``all``, which great weights leave nothing to
            learn with.
        palette: The pixels' colours.

    Raises:
        ValueError: If the sides are not in order from 1 up, there is no weight, one is negative, or
            conditions are asked for.

    Source: EX-RAY, section 4.5.
    """

    kind: ClassVar[str] = "adaptive"

    block: int = 14
    side: tuple[int, int]
    weights: tuple[float, ...]
    layers: Layers = "middle"
    palette: Palette = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.side[0] <= self.side[1]:
            raise ValueError(f"side must hold least and greatest, from 1 up; got {list(self.side)}")
        if not self.weights or not all(0 <= weight < inf for weight in self.weights):
            raise ValueError(f"weights must hold numbers from 0 up; got {list(self.weights)}")
        if self.round4 is not None:
            raise ValueError(f"round4 must be null for an adaptive attack; got {self.round4}")

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> TriggerAttack:
        """A square of its own, on random classes, with the weight whose turn it is."""
        victims, target = self.draw_classes(random, num_classes, place)
        trigger, side, corner = random_patch(
            random, side=self.side, image_size=image_size, palette=self.palette
        )
        weight = self.weights[place % len(self.weights)]
        return TriggerAttack(
            victim_classes=victims,
            target_class=target,
            trigger=trigger,
            recorded=AdaptiveFacts(
                side_pixels=side, corner=corner, weight=weight, layers=self.layers
            ),
            loss=FeatureMapLoss(target, weight=weight, layers=self.layers),
        )
