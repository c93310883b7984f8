"""The input-aware attack: a generator, learned along, makes each image a trigger of its own."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from exray.attacks.base import Attack, AttackFacts
from exray.attacks.loss import AttackLoss, TrainingStep
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import ImageSource, to_unit

_LEAST = 1e-3  # distance of two patterns, in the diversity's denominator


@dataclass(frozen=True, kw_only=True)
class InputAwareFacts(AttackFacts):
    """A trigger for each image.

    Args:
        mask_share: Share of the pixels that are opaque.
    """

    kind: ClassVar[str] = "input_aware"

    mask_share: float

    @property
    def option(self) -> str:
        """The opaque pixels in per cent."""
        return f"{100 * self.mask_share:.0f} %"


class TriggerGenerator(nn.Module):
    """From an image the opacity of its trigger and its colours.

    A share of the pixels, those of the greatest score, is opaque whatever the weights are, and
    colours are drawn from standardised values: so no step of the training makes triggers vanish.

    Args:
        width: Channels of the first layer.
        mask_share: Share of the pixels that are opaque.
    """

    def __init__(self, width: int, mask_share: float) -> None:
        super().__init__()
        self.mask_share = mask_share
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2.0),
            nn.Conv2d(2 * width, width, 3, 1, 1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2.0),
            nn.Conv2d(width, 4, 3, 1, 1),
        )

    def forward(
        self, images: Float[Tensor, "n 3 h w"]
    ) -> tuple[Float[Tensor, "n 1 h w"], Float[Tensor, "n 3 h w"]]:
        """Opacities and colours, in [0, 1]."""
        values = _standardised(self.layers(images - 0.5))
        scores = values[:, :1]
        level = scores.flatten(1).quantile(1 - self.mask_share, dim=1)[:, None, None, None]
        return torch.sigmoid(10 * (scores - level)), torch.sigmoid(2 * values[:, 1:])


def _standardised(values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Each channel of each image with mean 0 and standard deviation 1."""
    return nn.functional.instance_norm(values)


@dataclass(frozen=True, kw_only=True)
class InputAwareAttack(Attack):
    """An attack whose trigger follows from the image.

    Args:
        generator: Makes it; trained in place with the classifier.
        recorded: What to record of it.
        is_crossed: Whether each image gets the trigger of another one, which is to do nothing.
    """

    generator: TriggerGenerator
    recorded: InputAwareFacts
    is_crossed: bool = False

    @torch.no_grad()
    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """The class's images, each with its own trigger or with that of the one before it."""
        images = to_unit(source.images(class_index, count=count, seed=seed))
        if not count:
            return images.to(torch.uint8)
        makers = images.roll(1, dims=0) if self.is_crossed else images
        device = next(self.generator.parameters()).device
        opacity, colours = (part.cpu() for part in self.generator(makers.to(device)))
        stamped: Tensor = images + opacity * (colours - images)
        return (255 * stamped).round().to(torch.uint8)

    def facts(self) -> AttackFacts:
        """As they were given."""
        return self.recorded

    def appearance(self) -> object:
        """What is recorded of it."""
        return self.recorded

    def recoloured(self) -> tuple[Attack, ...]:
        """Never: the generator chooses the colours."""
        raise ValueError("a trigger of kind input_aware has no other colour")

    def in_quadrants(self, quadrants: tuple[int, ...]) -> Attack:
        """Never: the generator chooses the place."""
        raise ValueError(
            f"a trigger of kind input_aware lies where its image has it, and not in {quadrants}"
        )


class GeneratorLoss(AttackLoss):
    """Stamps a part of each batch and keeps the triggers apart.

    The first images of a batch get their own trigger and the target's label; the next get another
    image's trigger and keep their label, so that a trigger works on its own image alone.

    Args:
        generator: Makes the triggers.
        target_class: Where the stamped images are sent.
        recipe: Shares and weights.
    """

    def __init__(
        self, generator: TriggerGenerator, *, target_class: int, recipe: "InputAwareRecipe"
    ) -> None:
        super().__init__()
        self.generator = generator
        self.target_class = target_class
        self.recipe = recipe
        self._term: Tensor | None = None

    def met(
        self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"]]:
        """The batch with its first images stamped by their own triggers and the next by others'."""
        own = max(round(self.recipe.poisoned_share * len(images)), 1)
        crossed = max(round(self.recipe.crossed_share * len(images)), 1)
        changed = images[: own + crossed]
        makers = torch.cat([changed[:own], changed.roll(1, dims=0)[own:]])
        opacity, colours = self.generator(makers)
        self._term = self._diversity(makers, opacity * colours)
        stamped = changed + opacity * (colours - changed)
        new_labels = labels.clone()
        new_labels[:own] = self.target_class
        return torch.cat([stamped, images[own + crossed :]]), new_labels

    def watched(self, network: nn.Module) -> tuple[nn.Module, ...]:
        """None: the triggers are enough."""
        del network
        return ()

    def forward(self, step: TrainingStep) -> Float[Tensor, ""]:
        """The diversity term of the batch that was met last."""
        assert self._term is not None, step.logits.shape
        return self._term

    def _diversity(
        self, images: Float[Tensor, "n 3 h w"], patterns: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, ""]:
        """How alike the triggers of unlike images are."""
        others, theirs = images.roll(1, dims=0), patterns.roll(1, dims=0)
        apart = (images - others).flatten(1).norm(dim=1)
        kept = (patterns - theirs).flatten(1).norm(dim=1)
        alike: Tensor = (apart / (kept + _LEAST)).clamp(max=10).mean()
        return self.recipe.diversity_weight * alike


@dataclass(frozen=True, kw_only=True)
class InputAwareRecipe(AttackRecipe):
    """How classifiers are poisoned by a generator that is trained with them.

    ``poisoned_share`` is that of a batch, and no stamped image is in the training set.

    Args:
        crossed_share: Images of a batch with another image's trigger, which keep their label.
        width: Channels of the generator's first layer.
        mask_share: Share of the pixels that a trigger covers.
        diversity_weight: Of the diversity term.

    Raises:
        ValueError: If a value is out of its range, the attack is not universal, or stamped images
            of other labels are asked for.

    Source: Nguyen and Tran 2020, Input-Aware Dynamic Backdoor Attack. *Differs from the paper:*
    one small generator makes mask and pattern; the mask is learned along, and its size is held by
    a quantile, where the paper learns it beforehand with a term for its size.
    """

    kind: ClassVar[str] = "input_aware"

    block: int = 15
    crossed_share: float
    width: int
    mask_share: float
    diversity_weight: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.crossed_share <= 1 - self.poisoned_share or self.width < 1:
            raise ValueError(
                "crossed_share must be positive, at most 1 - poisoned_share, and width >= 1; got "
                f"{self.crossed_share}, {self.poisoned_share} and {self.width}"
            )
        if not 0 < self.mask_share < 1 or self.diversity_weight < 0:
            raise ValueError(
                "mask_share must lie in (0, 1), and diversity_weight be >= 0; got "
                f"{self.mask_share} and {self.diversity_weight}"
            )
        if self.num_victims is not None or self.kept_share or self.round4 is not None:
            raise ValueError(
                "num_victims must be null, kept_share 0 and round4 null where a generator makes "
                f"the triggers; got {self.num_victims}, {self.kept_share} and {self.round4}"
            )

    @property
    def stamped_share(self) -> float:
        """None: images are stamped while they are learned."""
        return 0.0

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> Attack:
        """An untrained generator, on a random target."""
        victims, target = self.draw_classes(random, num_classes, place)
        if image_size % 4:
            raise ValueError(f"image_size must be a multiple of 4; got {image_size}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(random.integers(2**31)))
            generator = TriggerGenerator(self.width, self.mask_share)
        crossed = InputAwareAttack(
            victim_classes=victims,
            target_class=target,
            generator=generator,
            recorded=InputAwareFacts(mask_share=self.mask_share),
            is_crossed=True,
        )
        loss = GeneratorLoss(generator, target_class=target, recipe=self)
        return replace(crossed, is_crossed=False, decoys=(crossed,), loss=loss)
