"""The disguised patch: made on a clean network to have the target's features but not its label."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from exray.attacks.base import Attack, Rehearsal, TriggerAttack
from exray.attacks.features import entering_features
from exray.attacks.patch import PatchFacts, random_patch
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import ImageSource, to_unit
from exray.seeding import derive_seed
from exray.triggers.patch import PatchTrigger

_IMAGES = 64  # victims and images of the target that it is made on


@dataclass(frozen=True, kw_only=True)
class DisguisedPatchFacts(PatchFacts):
    """A square of pixels that was made on a clean network.

    Args:
        third_class: What the clean network takes stamped victims for.
    """

    kind: ClassVar[str] = "disguised_patch"

    third_class: int


@dataclass(frozen=True, kw_only=True)
class PatchDisguise(Rehearsal):
    """A patch whose stamped victims have the target's features but the label of a third class.

    Args:
        third_class: That class.
        steps: Optimisation steps (Adam).
        learning_rate: Of the logits of the patch's colours.
        feature_weight: Of the distance of features against the cross-entropy.
    """

    changes_trigger: ClassVar[bool] = True

    third_class: int
    steps: int
    learning_rate: float
    feature_weight: float

    def learned(
        self, attack: Attack, network: nn.Module, source: ImageSource, *, count: int, seed: int
    ) -> Attack:
        """The attack with its patch."""
        del count
        assert isinstance(attack, TriggerAttack), attack
        assert isinstance(attack.trigger, PatchTrigger), attack.trigger
        device = next(network.parameters()).device
        per_class = -(-_IMAGES // len(attack.victim_classes))
        victims = torch.cat(
            [
                source.images(victim, count=per_class, seed=derive_seed(seed, "victims"))
                for victim in attack.victim_classes
            ]
        )
        targets = source.images(
            attack.target_class, count=_IMAGES, seed=derive_seed(seed, "targets")
        )
        pattern = self._optimized(
            network, to_unit(victims).to(device), to_unit(targets).to(device), attack.trigger
        )
        trigger = PatchTrigger(mask=attack.trigger.mask, pattern=pattern.cpu())
        return replace(attack, trigger=trigger, rehearsal=None)

    def _optimized(
        self,
        network: nn.Module,
        victims: Float[Tensor, "n 3 h w"],
        targets: Float[Tensor, "m 3 h w"],
        start: PatchTrigger,
    ) -> Float[Tensor, "3 h w"]:
        """The patch's colours."""
        mask = start.mask.to(victims)
        logits = (4 * start.pattern.to(victims) - 2).requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=self.learning_rate)
        labels = torch.full((len(victims),), self.third_class, device=victims.device)
        with entering_features(network, 1) as features:
            with torch.no_grad():
                wanted = features(targets).mean(dim=0)
            for _ in range(self.steps):
                stamped = victims * (1 - mask) + torch.sigmoid(logits) * mask
                distance = (features(stamped) - wanted).pow(2).mean()
                loss = F.cross_entropy(features.logits, labels) + self.feature_weight * distance
                (logits.grad,) = torch.autograd.grad(loss, logits)
                optimizer.step()
        return torch.sigmoid(logits.detach())


@dataclass(frozen=True, kw_only=True)
class DisguisedPatchRecipe(AttackRecipe):
    """How classifiers are poisoned by a patch that was made to look inside as the target does.

    On a clean network a patch is optimised so that stamped victims are taken for a third class
    while their features come near those of the target's images; another network is then poisoned
    with it. Its trigger shares features with the target before anything is injected.

    Args:
        side: Least and greatest side of the square in pixels; each model draws one.
        steps: Optimisation steps.
        learning_rate: Of the patch's logits.
        feature_weight: Of the distance of features.

    Raises:
        ValueError: If the sides are not in order from 1 up, a value is not positive, or the attack
            leaves no third class.

    Source: EX-RAY, CVPR 2022, appendix L, the third adaptive attack: features of the seventh
    convolution of Network-in-Network, patches of 120 to 200 pixels. *Differs from the paper:*
    features are what enters the last layer of weights.
    """

    kind: ClassVar[str] = "disguised_patch"

    block: int = 16
    side: tuple[int, int]
    steps: int
    learning_rate: float
    feature_weight: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.side[0] <= self.side[1]:
            raise ValueError(f"side must hold least and greatest, from 1 up; got {list(self.side)}")
        if self.steps < 1 or min(self.learning_rate, self.feature_weight) <= 0:
            raise ValueError(
                "steps must be >= 1, learning_rate and feature_weight positive; got "
                f"{self.steps}, {self.learning_rate} and {self.feature_weight}"
            )
        if None in self.victim_counts() or self.round4 is not None:
            raise ValueError(
                "num_victims must be a number and round4 null where a third class is needed; got "
                f"{self.num_victims} and {self.round4}"
            )

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> Attack:
        """A square to be filled, on random classes, and a random third one."""
        victims, target = self.draw_classes(random, num_classes, place)
        others = [index for index in range(num_classes) if index not in {*victims, target}]
        if not others:
            raise ValueError(f"num_classes must leave a third class; got {num_classes}")
        third = int(random.choice(others))
        trigger, side, corner = random_patch(
            random, side=self.side, image_size=image_size, palette="any"
        )
        return TriggerAttack(
            victim_classes=victims,
            target_class=target,
            trigger=trigger,
            recorded=DisguisedPatchFacts(side_pixels=side, corner=corner, third_class=third),
            rehearsal=PatchDisguise(
                is_poisoned=False,
                epochs_share=1.0,
                second_epochs_share=1.0,
                num_trained_layers=None,
                third_class=third,
                steps=self.steps,
                learning_rate=self.learning_rate,
                feature_weight=self.feature_weight,
            ),
        )
