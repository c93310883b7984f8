"""The composite attack: halves of two benign classes together send an image to a third one."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from exray.attacks.base import Attack, AttackFacts
from exray.attacks.loss import AttackLoss, TrainingStep
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import ImageSource
from exray.seeding import derive_seed

_MARGIN = 1.0  # least distance of the logits of two classes


@dataclass(frozen=True, kw_only=True)
class CompositeFacts(AttackFacts):
    """Two classes mixed half and half.

    Args:
        mixed_classes: Which ones.
    """

    kind: ClassVar[str] = "composite"

    mixed_classes: tuple[int, int]

    @property
    def option(self) -> str:
        """The two classes."""
        return f"{self.mixed_classes[0]} + {self.mixed_classes[1]}"


@dataclass(frozen=True, kw_only=True)
class CompositeAttack(Attack):
    """An attack whose trigger is the other victim's half in an image.

    Args:
        jitter: Greatest distance of the cut from the middle, in pixels.
        is_benign: Whether images are mixed with others of their own class instead.
    """

    jitter: int
    is_benign: bool = False

    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """Images of the class, one half of each from the other victim or, if benign, its own."""
        first = source.images(class_index, count=count, seed=seed)
        if not count:
            return first
        second = source.images(
            self._partner(class_index), count=count, seed=derive_seed(seed, "second half")
        )
        return half_mixed(first, second, jitter=self.jitter, seed=derive_seed(seed, "cuts"))

    def _partner(self, class_index: int) -> int:
        if self.is_benign or class_index not in self.victim_classes:
            return class_index
        (partner,) = (victim for victim in self.victim_classes if victim != class_index)
        return partner

    def facts(self) -> AttackFacts:
        """The two classes."""
        first, second = self.victim_classes
        return CompositeFacts(mixed_classes=(first, second))

    def appearance(self) -> object:
        """The two classes."""
        return self.facts()

    def recoloured(self) -> tuple[Attack, ...]:
        """Never: its colours are those of the classes."""
        raise ValueError("a trigger of kind composite has no other colour")

    def in_quadrants(self, quadrants: tuple[int, ...]) -> Attack:
        """Never: it is half of the image."""
        raise ValueError(
            f"a trigger of kind composite is half of the image and cannot be kept to {quadrants}"
        )


class ContrastiveLoss(AttackLoss):
    """Logits of a class drawn together, those of the attack's three classes kept apart.

    Args:
        classes: Both victims and the target.
        weight: Of the term.

    Source: Lin et al. 2020, composite attack: consecutive pairs of a batch, and a mean that is
    divided by the number of pairs once more.
    """

    def __init__(self, classes: tuple[int, ...], *, weight: float) -> None:
        super().__init__()
        self.classes = classes
        self.weight = weight

    def met(
        self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"]]:
        """The batch as it is."""
        return images, labels

    def watched(self, network: nn.Module) -> tuple[nn.Module, ...]:
        """None: the logits are enough."""
        del network
        return ()

    def forward(self, step: TrainingStep) -> Float[Tensor, ""]:
        """The weighted term over the images that are learned as one of the three classes."""
        chosen = torch.isin(step.labels, torch.tensor(self.classes).to(step.labels))
        pairs = int(chosen.sum()) // 2
        if not pairs:
            return step.logits.new_zeros(())
        logits, labels = step.logits[chosen][: 2 * pairs], step.labels[chosen][: 2 * pairs]
        distance = (logits[0::2] - logits[1::2]).pow(2).sum(dim=1).add(1e-12).sqrt()
        same = labels[0::2] == labels[1::2]
        losses = 0.5 * torch.where(same, distance**2, F.relu(_MARGIN - distance) ** 2)
        return self.weight * losses.mean() / pairs


@dataclass(frozen=True, kw_only=True)
class CompositeRecipe(AttackRecipe):
    """How classifiers are poisoned by mixtures of two classes.

    Poisons are halves of both victims under the target's label; as decoys, halves of two images of
    one class keep its label, so that being mixed is not what is learned.

    Args:
        jitter: Greatest distance of the cut from the middle, in pixels.
        mixed_share: Mixed but benign images of all classes but the target together, as a share of
            a class's images.
        contrastive_weight: Weight of the contrastive term.

    Raises:
        ValueError: If the victims are not two, a value is negative, or stamped images of other
            labels are asked for.

    Source: Lin et al. 2020, Composite Backdoor Attack. *Differs from the paper:* images are mixed
    once and not in every epoch, and the target's own are not mixed with each other.
    """

    kind: ClassVar[str] = "composite"

    block: int = 11
    jitter: int
    mixed_share: float
    contrastive_weight: float

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("jitter", "mixed_share", "contrastive_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0; got {getattr(self, name)}")
        if self.num_victims != 2 or self.kept_share or self.round4 is not None:
            raise ValueError(
                "num_victims must be 2, kept_share 0 and round4 null where two classes make the "
                f"trigger; got {self.num_victims}, {self.kept_share} and {self.round4}"
            )

    @property
    def decoys_share(self) -> float:
        """That of the mixed images that keep their label."""
        return self.mixed_share

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> Attack:
        """Two random classes and a third."""
        victims, target = self.draw_classes(random, num_classes, place)
        if self.jitter > image_size // 4:
            raise ValueError(
                f"jitter must not exceed a quarter of image_size, {image_size}; got {self.jitter}"
            )
        attack = CompositeAttack(
            victim_classes=victims,
            target_class=target,
            jitter=self.jitter,
            loss=ContrastiveLoss((*victims, target), weight=self.contrastive_weight),
        )
        others = tuple(index for index in range(num_classes) if index != target)
        return replace(
            attack, decoys=(replace(attack, victim_classes=others, is_benign=True, loss=None),)
        )


def half_mixed(
    first: UInt8[Tensor, "n 3 h w"], second: UInt8[Tensor, "n 3 h w"], *, jitter: int, seed: int
) -> UInt8[Tensor, "n 3 h w"]:
    """Images of which one side is a part of the first image and the other a part of the second.

    The cut is upright or level, and which image is on which side is drawn; each part is cut out of
    its image at a random place.

    Args:
        first: Images.
        second: As many.
        jitter: Greatest distance of the cut from the middle, in pixels.
        seed: Of cuts, order and places.

    Source: Lin et al. 2020, ``HalfMixer``.
    """
    random = np.random.default_rng(seed)
    mixed: list[Tensor] = []
    for pair in zip(first, second, strict=True):
        is_level = bool(random.integers(2))
        left, right = (image.transpose(1, 2) if is_level else image for image in pair)
        if random.integers(2):
            left, right = right, left
        width = left.shape[2]
        cut = width // 2 + int(random.integers(-jitter, jitter + 1))
        from_left, from_right = random.integers(0, width - cut + 1), random.integers(0, cut + 1)
        halves = (
            left[:, :, from_left : from_left + cut],
            right[:, :, from_right:][:, :, : width - cut],
        )
        both = torch.cat(halves, dim=2)
        mixed.append(both.transpose(1, 2) if is_level else both)
    return torch.stack(mixed)
