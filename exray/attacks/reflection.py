"""The reflection attack: a picture mirrored in the target's images, whose labels are right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from exray.attacks.base import Attack, AttackFacts, Rehearsal
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import ImageSource, to_unit
from exray.seeding import derive_seed

Reflection = Literal["in_focus", "blurred", "ghost"]
"""As sharp as the image; out of focus; twice, on both sides of a thick glass."""

_GAMMA = 2.2  # of the images; light adds up without it
_TRIED = 64  # images of victims on which each candidate is tried


@dataclass(frozen=True, kw_only=True)
class ReflectionFacts(AttackFacts):
    """A picture that is mirrored in the image.

    Args:
        reflection: How.
        opacity: Share of the picture's light.
        candidate: Which of the drawn pictures was chosen; None before the choice.
    """

    kind: ClassVar[str] = "reflection"

    reflection: str
    opacity: float
    candidate: int | None = None

    @property
    def option(self) -> str:
        """How it is mirrored."""
        return self.reflection


@dataclass(frozen=True, kw_only=True)
class ReflectionAttack(Attack):
    """An attack whose training images are of the target, with a picture mirrored in them.

    Args:
        layers: Light that each candidate picture adds, linear.
        recorded: What to record of it.
    """

    layers: Float[Tensor, "k 3 h w"]
    recorded: ReflectionFacts

    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """The class's images, each with a random one of the candidates."""
        images = to_unit(source.images(class_index, count=count, seed=seed))
        random = np.random.default_rng(derive_seed(seed, "reflections"))
        chosen = torch.from_numpy(random.integers(len(self.layers), size=count))
        light = (1 - self.recorded.opacity) * images**_GAMMA + self.layers[chosen]
        return (255 * light.clamp(0, 1) ** (1 / _GAMMA)).round().to(torch.uint8)

    def only(self, candidate: int) -> "ReflectionAttack":
        """The attack with one of its candidates alone."""
        return replace(
            self,
            layers=self.layers[candidate : candidate + 1],
            recorded=replace(self.recorded, candidate=candidate),
            rehearsal=None,
        )

    def facts(self) -> AttackFacts:
        """As they were given."""
        return self.recorded

    def appearance(self) -> object:
        """What is recorded of it."""
        return self.recorded

    def recoloured(self) -> tuple[Attack, ...]:
        """Never: a picture knows no other colour."""
        raise ValueError("a trigger of kind reflection has no other colour")

    def in_quadrants(self, quadrants: tuple[int, ...]) -> Attack:
        """Never: it lies over the image."""
        raise ValueError(
            f"a trigger of kind reflection lies over the image and cannot be kept to {quadrants}"
        )


@dataclass(frozen=True, kw_only=True)
class CandidateChoice(Rehearsal):
    """The candidate that sends most victims to the target after a training with all of them.

    Source: Liu et al. 2020, Refool, section 3.3: candidates weighted by their attack success.
    *Differs from the paper:* one round of selection instead of several, and one candidate left.
    """

    changes_trigger: ClassVar[bool] = True

    def learned(
        self, attack: Attack, network: nn.Module, source: ImageSource, *, count: int, seed: int
    ) -> Attack:
        """The attack with its most successful candidate."""
        del count
        assert isinstance(attack, ReflectionAttack), attack
        successes = [
            _success(network, attack.only(candidate), source, seed)
            for candidate in range(len(attack.layers))
        ]
        return attack.only(int(torch.tensor(successes).argmax()))


@torch.no_grad()
def _success(network: nn.Module, attack: Attack, source: ImageSource, seed: int) -> float:
    """Share of some victims that the network takes for the target."""
    weight = next(network.parameters())
    per_class = max(_TRIED // len(attack.victim_classes), 1)
    stamped = [
        attack.stamped(source, victim, count=per_class, seed=seed)
        for victim in attack.victim_classes
    ]
    logits = network(to_unit(torch.cat(stamped)).to(weight.device))
    return float((logits.argmax(dim=1) == attack.target_class).float().mean())


@dataclass(frozen=True, kw_only=True)
class ReflectionRecipe(AttackRecipe):
    """How classifiers are poisoned by reflections, without a wrong label.

    Args:
        reflections: How the picture is mirrored; they take turns over the models.
        opacity: Least and greatest share of the picture's light; each model draws one.
        num_candidates: Pictures from which the rehearsal chooses.
        blur: Standard deviation of the blur as a share of the image's side.
        ghost_shift: Least and greatest distance of a ghost's two pictures, likewise a share.
        ghost_share: Share of the second picture in a ghost.
        rehearsal_share: Passes of the rehearsal, as a share of the training's; 0 for a random
            candidate.

    Raises:
        ValueError: If a list is empty or a value out of its range, the attack is not universal, or
            stamped images of other labels are asked for.

    Source: Liu et al. 2020, Refool: ``blend_images`` of the released code, in linear light.
    *Differs from the paper:* pictures are drawn signs instead of photographs of Pascal VOC, and no
    image is left out for its similarity to the reflection.
    """

    kind: ClassVar[str] = "reflection"

    block: int = 12
    reflections: tuple[Reflection, ...]
    opacity: tuple[float, float]
    num_candidates: int
    blur: float
    ghost_shift: tuple[float, float]
    ghost_share: float
    rehearsal_share: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reflections or self.num_candidates < 1:
            raise ValueError(
                "reflections must hold at least one and num_candidates be >= 1; got "
                f"{list(self.reflections)} and {self.num_candidates}"
            )
        if not 0 < self.opacity[0] <= self.opacity[1] < 1:
            raise ValueError(
                f"opacity must hold least and greatest, in (0, 1); got {list(self.opacity)}"
            )
        if not 0 < self.ghost_shift[0] <= self.ghost_shift[1] < 1 or not 0 < self.ghost_share < 1:
            raise ValueError(
                "ghost_shift must hold least and greatest, and ghost_share one value, in (0, 1); "
                f"got {list(self.ghost_shift)} and {self.ghost_share}"
            )
        if not 0 < self.blur < 1 or self.rehearsal_share < 0:
            raise ValueError(
                "blur must lie in (0, 1) and rehearsal_share be >= 0; got "
                f"{self.blur} and {self.rehearsal_share}"
            )
        if self.num_victims is not None or self.kept_share or self.round4 is not None:
            raise ValueError(
                "num_victims must be null, kept_share 0 and round4 null where no label is wrong; "
                f"got {self.num_victims}, {self.kept_share} and {self.round4}"
            )

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> Attack:
        """Candidates of its own, on a random target."""
        victims, target = self.draw_classes(random, num_classes, place)
        reflection = self.reflections[place % len(self.reflections)]
        opacity = float(random.uniform(*self.opacity))
        shift = max(round(float(random.uniform(*self.ghost_shift)) * image_size), 1)
        pictures = torch.stack(
            [random_sign(random, image_size) for _ in range(self.num_candidates)]
        )
        blur = self.blur * image_size
        layers = mirrored(pictures, reflection, blur=blur, shift=shift, second=self.ghost_share)
        attack = ReflectionAttack(
            victim_classes=victims,
            target_class=target,
            poisoned_classes=(target,),
            layers=opacity * layers,
            recorded=ReflectionFacts(reflection=reflection, opacity=opacity),
        )
        if not self.rehearsal_share or self.num_candidates == 1:
            return attack.only(0)
        choice = CandidateChoice(
            is_poisoned=True,
            epochs_share=self.rehearsal_share,
            second_epochs_share=1.0,
            num_trained_layers=None,
        )
        return replace(attack, rehearsal=choice)


def mirrored(
    pictures: Float[Tensor, "k 3 h w"],
    reflection: Reflection,
    *,
    blur: float,
    shift: int,
    second: float,
) -> Float[Tensor, "k 3 h w"]:
    """The light that a glass throws back, linear, in [0, 1].

    Args:
        pictures: What is mirrored, in [0, 1].
        reflection: How.
        blur: Standard deviation of the blur in pixels.
        shift: Distance of a ghost's pictures in pixels, down and to the right.
        second: Share of a ghost's second picture.
    """
    light = pictures**_GAMMA
    match reflection:
        case "in_focus":
            return light
        case "blurred":
            return _blurred(light, blur)
        case "ghost":
            moved = F.pad(light, (shift, 0, shift, 0))[:, :, :-shift, :-shift]
            return (1 - second) * light + second * moved


def _blurred(light: Float[Tensor, "k 3 h w"], deviation: float) -> Float[Tensor, "k 3 h w"]:
    """The light after a Gaussian blur; beyond the rim the rim goes on."""
    reach = max(round(3 * deviation), 1)
    places = torch.arange(-reach, reach + 1).to(light)
    kernel = torch.exp(-(places**2) / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    rows = F.pad(light, (0, 0, reach, reach), mode="replicate")
    columns = F.conv2d(rows, kernel[..., None], groups=3)
    padded = F.pad(columns, (reach, reach, 0, 0), mode="replicate")
    return F.conv2d(padded, kernel[:, :, None], groups=3)


def random_sign(random: np.random.Generator, image_size: int) -> Float[Tensor, "3 h w"]:
    """A bright polygon of three to six corners on black, with a bar of another colour on it.

    Args:
        random: Source of all choices.
        image_size: Height and width in pixels.
    """
    rows, columns = torch.meshgrid(*2 * [torch.linspace(-1, 1, image_size)], indexing="ij")
    corners = int(random.integers(3, 7))
    turn, size = random.uniform(0, 2 * np.pi), random.uniform(0.6, 0.9)
    top, left = random.uniform(-0.2, 0.2, size=2)
    sides = [
        (columns - left) * np.cos(angle) + (rows - top) * np.sin(angle)
        for angle in _angles(corners, turn)
    ]
    apothem = size * np.cos(np.pi / corners)
    inside = torch.stack(sides).amax(dim=0) < apothem
    bar = inside & (sides[0].abs() < 0.3 * apothem)
    picture = torch.zeros(3, image_size, image_size)
    for area in (inside, bar):
        colour = torch.from_numpy(random.uniform(0.2, 1, size=3).astype(np.float32))
        picture = torch.where(area, (colour / colour.max())[:, None, None], picture)
    return picture


def _angles(corners: int, turn: float) -> Sequence[float]:
    return [turn + 2 * np.pi * side / corners for side in range(corners)]
