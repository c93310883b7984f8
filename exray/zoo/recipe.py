"""What a zoo is to contain and how its classifiers are trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from math import inf
from typing import Literal, NamedTuple

from exray.attacks.recipe import AttackRecipe
from exray.images.sources.signs.classes import least_family_size
from exray.seeding import derive_seed
from exray.zoo.adversarial_training import AdversarialRecipe
from exray.zoo.image_sets import ImageFacts
from exray.zoo.variations import Variation, check_class_shares, class_shares, drawn_variation


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How one classifier is trained.

    Args:
        epochs: Passes over the training images.
        batch_size: Images per step.
        learning_rate: Peak of the one-cycle schedule (Adam).
        weight_decay: Adam's weight decay.
        images_per_class: Clean training images of each class.
        least_class_share: Share of these that the rarest class can be left with, in (0, 1].
        num_common: Classes that keep all, while the others keep ``least_class_share``; None for a
            share of its own for each class.
        test_per_class: Held-out images of each class, for clean accuracy and ASR.
        adversarial: How some batches are attacked before they are learned; None for plain training.
        variations: Ways in which trainings differ, by name; each classifier draws one. Empty for
            none.
        channels_last: Whether images and weights have the channels innermost in memory, which small
            networks are trained faster with on CPUs; the results differ in rounding.

    Raises:
        ValueError: If a count or the learning rate is not positive, or the decay is negative.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    images_per_class: int
    test_per_class: int
    adversarial: AdversarialRecipe | None = None
    variations: Mapping[str, Variation] = field(default_factory=dict)
    channels_last: bool = False
    least_class_share: float = 1.0
    num_common: int | None = None

    def __post_init__(self) -> None:
        check_class_shares(self.least_class_share, self.num_common)
        for name in ("epochs", "batch_size", "learning_rate", "images_per_class", "test_per_class"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if not 0 <= self.weight_decay < inf:
            raise ValueError(f"weight_decay must be >= 0; got {self.weight_decay}")

    def varied(self, name: str | None) -> "TrainingRecipe":
        """The recipe as the variation of that name changes it."""
        if name is None:
            return self
        variation = self.variations[name]
        decay, adversarial = variation.weight_decay, variation.adversarial
        return replace(
            self,
            epochs=max(round(self.epochs * variation.epochs_share), 1),
            images_per_class=max(round(self.images_per_class * variation.images_share), 1),
            least_class_share=self.least_class_share * variation.least_class_share,
            num_common=variation.num_common or self.num_common,
            weight_decay=self.weight_decay if decay is None else decay,
            adversarial=self.adversarial if adversarial is None else adversarial,
        )

    def counts(self, num_classes: int, *, seed: int) -> list[int]:
        """Clean training images of each class.

        Args:
            num_classes: How many classes there are.
            seed: The classifier's, from which it follows which classes are rare.
        """
        if self.least_class_share == 1:
            return [self.images_per_class] * num_classes
        shares = class_shares(
            num_classes, least=self.least_class_share, num_common=self.num_common, seed=seed
        )
        return [max(round(self.images_per_class * share), 1) for share in shares]

    def fewest_images_per_class(self) -> int:
        """Clean training images of a class, in the variation and the class that has least."""
        trainings = [self.varied(name) for name in (None, *self.variations)]
        return min(int(one.images_per_class * one.least_class_share) for one in trainings)


Half = Literal["tuning", "reporting"]
MODELS_PER_BLOCK = 10_000  # indices of one attack, so that counts may grow, seeds staying


class ModelPlace(NamedTuple):
    """What follows from the index of one of a zoo's classifiers.

    Attributes:
        attack: Name of its attack in the recipe; None for a clean classifier.
        place: Which of the classifiers of its attack, or of the clean ones, it is, from 0.
        half: Whether it is for choosing thresholds and settings or for reporting. The lower half of
            each attack's places is for choosing; the halves share neither classes, images,
            triggers nor weights.
    """

    attack: str | None
    place: int
    half: Half


@dataclass(frozen=True, kw_only=True)
class ZooRecipe:
    """A zoo: how many classifiers of which attacks, and from which seed.

    Clean models and those of the attack of block 0 have the indices from 0, alternating; those of
    block 1 follow from 10000, of block 2 from 20000, so that more of them change no other seed.

    Args:
        name: What the zoo is called.
        num_clean: Clean classifiers.
        attacks: How the others are poisoned, and how many by each attack, under names of any sort.
        seed: First model's seed, >= 0; model i has ``seed + i``, and 1,000,000 more for
            each further attempt. Zoos whose models have no seed in common share nothing.
        architecture: Name of the network.
        architectures: Names of networks, one of which each classifier draws instead.
        class_counts: Numbers of classes, one of which each classifier draws instead.
        image_sizes: Heights and widths in pixels, likewise.
        leave_out_failures: Whether a classifier that never meets its bars is left out, instead of
            stopping the build.
        num_classes: Classes of each classifier.
        family_sizes: Sizes of look-alike families; each model draws one of them.
        image_size: Height and width in pixels.
        samples_per_class: Clean images per class that a scan uses.
        min_clean_accuracy: A classifier below it is trained again from another seed.
        min_class_accuracy: The same for its worst class.
        min_asr: The same for the attack success rate of a trojaned one.
        max_attempts: Trainings before a model is given up.
        training: How each classifier is trained.

    Raises:
        ValueError: If a bar is no fraction, a count is too small, the victims leave no target, two
            attacks have one block, or a batch is larger than the training set.
    """

    name: str
    num_clean: int
    attacks: Mapping[str, AttackRecipe]
    seed: int
    architecture: str
    num_classes: int
    family_sizes: tuple[int, ...]
    image_size: int
    samples_per_class: int
    min_clean_accuracy: float
    min_class_accuracy: float
    min_asr: float
    max_attempts: int
    training: TrainingRecipe
    architectures: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    image_sizes: tuple[int, ...] = ()
    leave_out_failures: bool = False

    def __post_init__(self) -> None:
        for name in ("min_clean_accuracy", "min_class_accuracy", "min_asr"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1]; got {getattr(self, name)}")
        self._check_counts()
        counts = {"seed": 0, "num_classes": 2, "image_size": 1, "samples_per_class": 1}
        for name, least in {**counts, "max_attempts": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be >= {least}; got {getattr(self, name)}")
        if not self.family_sizes or min(self.family_sizes) < 1:
            raise ValueError(
                f"family_sizes must hold sizes from 1 up; got {list(self.family_sizes) or 'none'}"
            )
        for name, least in (("class_counts", 2), ("image_sizes", 1)):
            if min(getattr(self, name), default=least) < least:
                raise ValueError(
                    f"{name} must hold numbers from {least} up; got {list(getattr(self, name))}"
                )
        for name, attack in self.used_attacks().items():
            self._check_classes(name, attack)
        num_images = self.fewest_classes * self.training.fewest_images_per_class()
        if self.training.batch_size > num_images:
            raise ValueError(
                f"training.batch_size must not exceed the {num_images} training images (num_classes"
                f" x training.images_per_class); got {self.training.batch_size}"
            )

    def _check_counts(self) -> None:
        """Refuses a zoo without models, and two attacks on the same indices."""
        if self.num_clean < 0 or not self.num_clean + len(self.used_attacks()):
            counts = {"num_clean": self.num_clean} | {
                f"attacks.{name}.count": attack.count for name, attack in self.attacks.items()
            }
            said = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ValueError(f"model counts must not be negative nor all 0; got {said}")
        names: dict[int, str] = {}
        for name, attack in self.attacks.items():
            other = names.setdefault(attack.block, name)
            if other != name:
                raise ValueError(
                    f"attacks.{name}.block must be another than that of attacks.{other}; "
                    f"both are {attack.block}"
                )

    def _check_classes(self, name: str, attack: AttackRecipe) -> None:
        """Refuses an attack that needs more classes than there are."""
        if attack.round4 is not None and attack.round4.num_classes > self.fewest_classes:
            raise ValueError(
                f"num_classes must be at least {attack.round4.num_classes} for "
                f"attacks.{name}.round4.organizations; got {self.fewest_classes}"
            )
        victims = max((count for count in attack.victim_counts() if count is not None), default=0)
        if victims >= self.fewest_classes:
            raise ValueError(
                f"attacks.{name}.num_victims must be below num_classes, {self.fewest_classes}; "
                f"got {victims}"
            )

    def used_attacks(self) -> dict[str, AttackRecipe]:
        """Those of which there is a model."""
        return {name: attack for name, attack in self.attacks.items() if attack.count}

    @property
    def num_models(self) -> int:
        """Classifiers in all."""
        return len(self.places)

    @cached_property
    def places(self) -> Mapping[int, ModelPlace]:
        """Every classifier by its index, from which its seed and id follow, in order."""
        models = [_places(None, self.num_clean)]
        blocks: dict[int, list[ModelPlace]] = {}
        for name, attack in self.used_attacks().items():
            if attack.block:
                blocks[attack.block] = _places(name, attack.count)
            else:
                models.append(_places(name, attack.count))
        turns = [model for turn in zip_longest(*models) for model in turn if model is not None]
        return dict(enumerate(turns)) | {
            block * MODELS_PER_BLOCK + model.place: model
            for block in sorted(blocks)
            for model in blocks[block]
        }

    def attack_of(self, index: int) -> AttackRecipe | None:
        """How the model of that index is to be trojaned; None for a clean one."""
        name = self.places[index].attack
        return None if name is None else self.attacks[name]

    def variation_of(self, seed: int) -> str | None:
        """Name of the variation by which the classifier of that seed is trained."""
        return drawn_variation(self.training.variations, seed)

    def half_of(self, index: int) -> Half:
        """Which half of the zoo the model of that index is in; beyond the counts the upper one."""
        model = self.places.get(index)
        return "reporting" if model is None else model.half

    def description(self) -> dict[str, object]:
        """The recipe as plain values, without the attacks and options that it does not use."""
        attacks = {
            name: {"kind": attack.kind, **_used(asdict(attack))}
            for name, attack in self.used_attacks().items()
        }
        return {**_used(asdict(self)), "attacks": attacks}

    def architecture_of(self, seed: int) -> str:
        """The network of the classifier of that seed."""
        if not self.architectures:
            return self.architecture
        place = derive_seed(seed, "architecture") % len(self.architectures)
        return self.architectures[place]

    @property
    def fewest_classes(self) -> int:
        """The least number of classes that a classifier may have."""
        return min(self.class_counts, default=self.num_classes)

    def image_facts(self, *, family_size: int, seed: int) -> ImageFacts:
        """What decides the images of the classifier of that seed and family size."""
        num_classes, image_size = self.num_classes, self.image_size
        if self.class_counts:
            place = derive_seed(seed, "class count") % len(self.class_counts)
            num_classes = self.class_counts[place]
            family_size = max(family_size, least_family_size(num_classes))
        if self.image_sizes:
            image_size = self.image_sizes[derive_seed(seed, "image size") % len(self.image_sizes)]
        return ImageFacts(
            num_classes=num_classes,
            family_size=family_size,
            image_size=image_size,
            seed=seed,
        )


def _places(attack: str | None, count: int) -> list[ModelPlace]:
    """The models of one attack, or the clean ones, in order."""
    return [
        ModelPlace(attack=attack, place=place, half="tuning" if 2 * place < count else "reporting")
        for place in range(count)
    ]


# Options that came later: a recipe that does not use them is described as it was before.
_UNUSED: dict[str, object] = {
    "least_class_share": 1.0,
    "num_common": None,
    "round4": None,
    "adversarial": None,
    "architectures": (),
    "class_counts": (),
    "image_sizes": (),
    "leave_out_failures": False,
    "variations": {},
    "channels_last": False,
    "palette": "any",
    "min_asr": None,
    "noise_share": 0.0,
    "min_accuracy": None,
}


def _used(values: dict[str, object]) -> dict[str, object]:
    """The values without unused options, inner sections likewise."""
    return {
        name: _used(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if name not in _UNUSED or value != _UNUSED[name]
    }
