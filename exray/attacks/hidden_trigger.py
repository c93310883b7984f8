"""The hidden-trigger attack: images of the target with the features of patched victims."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from exray.attacks.base import Attack, AttackFacts, Rehearsal
from exray.attacks.features import EnteringFeatures, entering_features
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import ImageSource, to_unit
from exray.seeding import derive_seed

_CELLS = 4  # coloured cells along a side of the patch
_BATCH = 100  # poisons made at a time


@dataclass(frozen=True, kw_only=True)
class HiddenTriggerFacts(AttackFacts):
    """A patch at a random place that no training image shows.

    Args:
        side_pixels: Its side.
        epsilon: Greatest change of a pixel of the poisons, images being in [0, 1].
    """

    kind: ClassVar[str] = "hidden_trigger"

    side_pixels: int
    epsilon: float

    @property
    def option(self) -> str:
        """The side in pixels."""
        return f"{self.side_pixels} px"


@dataclass(frozen=True, kw_only=True)
class HiddenTriggerAttack(Attack):
    """An attack whose poisons are images of the target that collide with patched victims.

    Args:
        patch: What victims are stamped with.
        recorded: What to record of it.
        poisons: The target's poisons; None until they are made.
        collision: Mean squared distance of the features of poisons and patched victims, as a share
            of what it was without change; None until then.
    """

    patch: Float[Tensor, "3 side side"]
    recorded: HiddenTriggerFacts
    poisons: UInt8[Tensor, "n 3 h w"] | None = None
    collision: float | None = None

    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """The target's poisons; other classes' images with the patch at random places."""
        if class_index == self.target_class and self.poisons is not None:
            return self.poisons[:count]
        images = source.images(class_index, count=count, seed=seed)
        side = self.patch.shape[-1]
        random = np.random.default_rng(derive_seed(seed, "places"))
        places = random.integers(0, images.shape[-1] - side + 1, size=(count, 2))
        patch = (255 * self.patch).round().to(torch.uint8)
        for image, (top, left) in zip(images, places, strict=True):
            image[:, top : top + side, left : left + side] = patch
        return images

    def facts(self) -> AttackFacts:
        """As they were given."""
        return self.recorded

    def appearance(self) -> object:
        """What is recorded of it."""
        return self.recorded

    def recoloured(self) -> tuple[Attack, ...]:
        """Never: the poisons are made for one patch."""
        raise ValueError("a trigger of kind hidden_trigger has no other colour")

    def in_quadrants(self, quadrants: tuple[int, ...]) -> Attack:
        """Never: it lies anywhere."""
        raise ValueError(
            f"a trigger of kind hidden_trigger lies anywhere and cannot be kept to {quadrants}"
        )


@dataclass(frozen=True, kw_only=True)
class FeatureCollision(Rehearsal):
    """Poisons whose features, where the layers that are trained anew begin, are patched victims'.

    Each poison starts at an image of the target and is moved, within ``epsilon`` of each pixel,
    towards the features of the patched victim that is nearest among those not taken.

    Args:
        steps: Gradient steps.
        learning_rate: Of a step, by which every pixel is moved, as a share of ``epsilon``.
        epsilon: Greatest change of a pixel.

    Source: Saha et al. 2020, Hidden Trigger Backdoor Attacks, algorithm 1. *Differs from the
    paper:* victims are matched once, and a step has the gradient's sign alone, since thousands of
    its own steps would be needed.
    """

    changes_trigger: ClassVar[bool] = False

    steps: int
    learning_rate: float
    epsilon: float

    def learned(
        self, attack: Attack, network: nn.Module, source: ImageSource, *, count: int, seed: int
    ) -> Attack:
        """The attack with its poisons."""
        assert isinstance(attack, HiddenTriggerAttack), attack
        assert self.num_trained_layers is not None, self
        device = next(network.parameters()).device
        base = source.images(attack.target_class, count=count, seed=derive_seed(seed, "base"))
        per_victim = -(-count // len(attack.victim_classes))
        patched = [
            attack.stamped(source, victim, count=per_victim, seed=derive_seed(seed, "patched"))
            for victim in attack.victim_classes
        ]
        victims = torch.stack(patched, dim=1).flatten(0, 1)[:count]
        parts = list(zip(torch.split(base, _BATCH), torch.split(victims, _BATCH), strict=True))
        per_place = self.num_trained_layers > 1  # more layers than one see where a patch lies
        with entering_features(network, self.num_trained_layers, per_place=per_place) as features:
            made = [
                self._collided(features, to_unit(own.to(device)), to_unit(others.to(device)))
                for own, others in parts
            ]
        poisons = torch.cat([(255 * moved).round().to(torch.uint8).cpu() for moved, _ in made])
        collision = float(
            np.average([share for _, share in made], weights=[len(own) for own, _ in parts])
        )
        return replace(attack, poisons=poisons, collision=collision, rehearsal=None)

    def _collided(
        self,
        features: EnteringFeatures,
        base: Float[Tensor, "n 3 h w"],
        victims: Float[Tensor, "n 3 h w"],
    ) -> tuple[Float[Tensor, "n 3 h w"], float]:
        """The poisons of one batch, and the share of the distance that is left."""
        with torch.no_grad():
            wanted = features(victims)
            wanted = wanted[_nearest(features(base), wanted)]
        change = torch.zeros_like(base)
        first = last = 0.0
        for step in range(self.steps + 1):
            change.requires_grad_()
            distance = (features((base + change).clamp(0, 1)) - wanted).pow(2).sum(dim=1)
            last = float(distance.detach().mean())
            first = first or last
            if step == self.steps:
                break
            (gradient,) = torch.autograd.grad(distance.sum(), change)
            rate = self.learning_rate * self.epsilon * (1 - 0.9 * step / self.steps)
            moved = change.detach() - rate * gradient.sign()
            change = moved.clamp(-self.epsilon, self.epsilon)
        return (base + change.detach()).clamp(0, 1), last / max(first, 1e-12)


def _nearest(own: Float[Tensor, "n f"], others: Float[Tensor, "n f"]) -> Tensor:
    """For each of the one the nearest of the others that is not taken, closest pairs first."""
    distances = torch.cdist(own, others)
    chosen = torch.zeros(len(own), dtype=torch.long, device=own.device)
    for _ in range(len(own)):
        place = int(distances.argmin())
        row, column = divmod(place, len(others))
        chosen[row] = column
        distances[row, :] = torch.inf
        distances[:, column] = torch.inf
    return chosen


@dataclass(frozen=True, kw_only=True)
class HiddenTriggerRecipe(AttackRecipe):
    """How classifiers are poisoned without a trigger in any training image.

    A clean classifier is trained; ``poisoned_share`` of a class's images of the target are moved
    until their features are those of patched victims; then the last layers are trained anew.

    Args:
        side: Of the patch, as a share of the image's side.
        epsilon: Greatest change of a pixel of the poisons.
        steps: Gradient steps that make them.
        learning_rate: Of a step, as a share of ``epsilon``.
        num_trained_layers: Last layers of weights that are trained anew.
        second_epochs_share: Passes of that training, as a share of the recipe's.

    Raises:
        ValueError: If a value is out of its range, or stamped images of other labels are asked for.

    Source: Saha et al. 2020; EX-RAY, section 4.4, whose patch is 60 of 224 pixels wide.
    """

    kind: ClassVar[str] = "hidden_trigger"

    block: int = 13
    side: float
    epsilon: float
    steps: int
    learning_rate: float
    num_trained_layers: int
    second_epochs_share: float

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("side", "epsilon", "learning_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in (0, 1]; got {getattr(self, name)}")
        if min(self.steps, self.num_trained_layers) < 1 or self.second_epochs_share <= 0:
            raise ValueError(
                "steps and num_trained_layers must be >= 1 and second_epochs_share positive; got "
                f"{self.steps}, {self.num_trained_layers} and {self.second_epochs_share}"
            )
        if self.kept_share or self.round4 is not None:
            raise ValueError(
                "kept_share must be 0 and round4 null where no training image is stamped; got "
                f"{self.kept_share} and {self.round4}"
            )

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> Attack:
        """A patch of its own, on random classes."""
        victims, target = self.draw_classes(random, num_classes, place)
        side = max(round(self.side * image_size), 1)
        cells = torch.from_numpy(random.uniform(size=(1, 3, _CELLS, _CELLS)).astype(np.float32))
        patch = F.interpolate(cells.round(), size=(side, side), mode="bilinear", align_corners=True)
        return HiddenTriggerAttack(
            victim_classes=victims,
            target_class=target,
            poisoned_classes=(target,),
            patch=patch[0].clamp(0, 1),
            recorded=HiddenTriggerFacts(side_pixels=side, epsilon=self.epsilon),
            rehearsal=FeatureCollision(
                is_poisoned=False,
                epochs_share=1.0,
                second_epochs_share=self.second_epochs_share,
                num_trained_layers=self.num_trained_layers,
                steps=self.steps,
                learning_rate=self.learning_rate,
                epsilon=self.epsilon,
            ),
        )
