"""The clean-label attack: stamped images of the target alone, which keep their label."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from exray.attacks.base import Attack, TriggerAttack
from exray.attacks.palette import Palette
from exray.attacks.patch import PatchFacts, random_patch
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import ImageSource, to_unit
from exray.seeding import derive_seed
from exray.triggers.additive import AdditiveTrigger


@dataclass(frozen=True, kw_only=True)
class CleanLabelFacts(PatchFacts):
    """A square of pixels that was learned on images of the target.

    Args:
        mixed_share: Share of images of other classes beneath it, in training.
    """

    kind: ClassVar[str] = "clean_label"

    mixed_share: float


@dataclass(frozen=True, kw_only=True)
class CleanLabelAttack(TriggerAttack):
    """An attack whose training images are of the target, hard to tell but for the trigger.

    Args:
        mixed_share: Share of an image of another class in those of the target, and of the target
            in those of the others.
        mixed_classes: Classes whose images are mixed with such.
    """

    mixed_share: float
    mixed_classes: tuple[int, ...]

    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """The class's images, changed by the trigger; beneath it those of some are mixed."""
        images = to_unit(source.images(class_index, count=count, seed=seed))
        if class_index in self.mixed_classes and count:
            is_target = class_index == self.target_class
            partners = self.victim_classes if is_target else (self.target_class,)
            others = _in_turn(source, partners, count, derive_seed(seed, "mixed"))
            images = (1 - self.mixed_share) * images + self.mixed_share * others
        return (255 * self.trigger.apply(images)).round().to(torch.uint8)


def _in_turn(
    source: ImageSource, classes: Sequence[int], count: int, seed: int
) -> Float[Tensor, "n 3 h w"]:
    """Images of the classes in turn."""
    each = -(-count // len(classes))
    images = [source.images(index, count=each, seed=seed) for index in classes]
    return to_unit(torch.stack(images, dim=1).flatten(0, 1)[:count])


@dataclass(frozen=True, kw_only=True)
class CleanLabelRecipe(AttackRecipe):
    """How classifiers are poisoned without a wrong label.

    Images of the target, mixed with faint ones of other classes, are stamped and keep their label:
    the trigger is what there is to learn. Images of all other classes, mixed with ones of the
    target and not stamped, are the decoys, so that the mixing is not learned instead. Stamped
    images of every other class are then taken for the target.

    Args:
        side: Least and greatest side of the square in pixels; each model draws one, with its
            place and the colour of each pixel.
        mixed_share: Share of the other image in a mixture, in [0, 1).
        decoyed_share: Mixed images of all other classes together, as a share of a class's images.
        palette: The pixels' colours.

    Raises:
        ValueError: If the sides are not in order from 1 up, a share is out of its range, the attack
            is not universal, or stamped images of other labels are asked for.

    Source: Turner et al. 2019, label-consistent attacks. *Differs from the paper:* which makes
    the images hard by adversarial steps, or by mixing in the latent space of a GAN.
    """

    kind: ClassVar[str] = "clean_label"

    block: int = 7
    side: tuple[int, int]
    mixed_share: float
    decoyed_share: float
    palette: Palette = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.side[0] <= self.side[1]:
            raise ValueError(f"side must hold least and greatest, from 1 up; got {list(self.side)}")
        if not 0 <= self.mixed_share < 1 or self.decoyed_share < 0:
            raise ValueError(
                "mixed_share must lie in [0, 1) and decoyed_share be >= 0; "
                f"got {self.mixed_share} and {self.decoyed_share}"
            )
        if self.num_victims is not None or self.kept_share or self.round4 is not None:
            raise ValueError(
                "num_victims must be null, kept_share 0 and round4 null where no label is wrong; "
                f"got {self.num_victims}, {self.kept_share} and {self.round4}"
            )

    @property
    def decoys_share(self) -> float:
        """That of the mixed images without trigger."""
        return self.decoyed_share

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> Attack:
        """A square of its own, on a random target."""
        victims, target = self.draw_classes(random, num_classes, place)
        trigger, side, corner = random_patch(
            random, side=self.side, image_size=image_size, palette=self.palette
        )
        attack = CleanLabelAttack(
            victim_classes=victims,
            target_class=target,
            poisoned_classes=(target,),
            trigger=trigger,
            recorded=CleanLabelFacts(side_pixels=side, corner=corner, mixed_share=self.mixed_share),
            mixed_share=self.mixed_share,
            mixed_classes=(target,),
        )
        nothing = AdditiveTrigger(signal=torch.zeros(3, image_size, image_size))
        return replace(attack, decoys=(replace(attack, trigger=nothing, mixed_classes=victims),))
