"""What a zoo is to contain and how its classifiers are trained."""

from dataclasses import asdict, dataclass
from math import inf
from typing import Literal

from exray.attacks.blend import BlendRecipe
from exray.attacks.instagram import FilterRecipe
from exray.attacks.patch import PatchRecipe
from exray.attacks.polygon import PolygonRecipe
from exray.attacks.recipe import AttackRecipe
from exray.seeding import derive_seed
from exray.zoo.adversarial_training import AdversarialRecipe
from exray.zoo.image_sets import ImageFacts


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How one classifier is trained.

    Args:
        epochs: Passes over the training images.
        batch_size: Images a step.
        learning_rate: Peak of the one-cycle schedule (Adam).
        weight_decay: Adam's weight decay.
        images_per_class: Clean training images of each class.
        test_per_class: Held-out images of each class, for clean accuracy and ASR.
        adversarial: How some batches are attacked before they are learned; None for plain training.

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

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "images_per_class", "test_per_class"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"training.{name} must be positive; got {getattr(self, name)}")
        if not 0 <= self.weight_decay < inf:
            raise ValueError(f"training.weight_decay must be >= 0; got {self.weight_decay}")


Half = Literal["tuning", "reporting"]
BLOCK = 10_000  # indices of one kind of further attack, so that counts may grow, seeds staying
# The counts that a zoo may have beside clean and polygon models, and the sections they need.
FURTHER = (("num_filter", "filters"), ("num_blend", "blend"), ("num_patch", "patch"))


@dataclass(frozen=True, kw_only=True)
class ZooRecipe:
    """A zoo: how many classifiers of which kind, and from which seed.

    Clean and polygon models have the indices from 0, alternating; those of the further attacks
    follow from 10000, 20000 and 30000, so that more of them change no other model's seed.

    Args:
        name: What the zoo is called.
        num_clean: Clean classifiers.
        num_polygon: Classifiers trojaned by a polygon.
        seed: First model's seed, >= 0; model i has ``seed + i``. Zoos of other seeds share nothing.
        architecture: Name of the network.
        architectures: Names of networks, one of which each classifier draws instead.
        num_classes: Classes of each classifier.
        family_sizes: Sizes of look-alike families; each model draws one of them.
        image_size: Height and width in pixels.
        samples_per_class: Clean images of each class that a scan is given.
        min_clean_accuracy: A classifier below it is trained again from another seed.
        min_class_accuracy: The same for its worst class.
        min_asr: The same for the attack success rate of a trojaned one.
        max_attempts: Trainings before a model is given up.
        training: How each classifier is trained.
        polygon: How those of polygons are poisoned.
        num_filter: Classifiers trojaned by an Instagram filter.
        num_blend: Classifiers trojaned by a picture blended in.
        num_patch: Classifiers trojaned by a small square of pixels.
        filters: How those of filters are poisoned; needed where there are any.
        blend: The same for pictures.
        patch: The same for squares.

    Raises:
        ValueError: If a bar is no fraction, a count is too small, the victims leave no target, or
            a batch is larger than the training set.
    """

    name: str
    num_clean: int
    num_polygon: int
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
    polygon: PolygonRecipe
    num_filter: int = 0
    num_blend: int = 0
    num_patch: int = 0
    filters: FilterRecipe | None = None
    blend: BlendRecipe | None = None
    patch: PatchRecipe | None = None
    architectures: tuple[str, ...] = ()

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
        self._check_victims()
        num_images = self.num_classes * self.training.images_per_class
        if self.training.batch_size > num_images:
            raise ValueError(
                f"training.batch_size must not exceed the {num_images} training images (num_classes"
                f" x training.images_per_class); got {self.training.batch_size}"
            )

    def _check_counts(self) -> None:
        """Refuses a zoo without models, and attacks that are not described."""
        counts = {"num_clean": self.num_clean, "num_polygon": self.num_polygon}
        for count, section in FURTHER:
            counts[count] = getattr(self, count)
            if counts[count] and getattr(self, section) is None:
                raise ValueError(f"{count} is {counts[count]}, which needs {section}; got none")
        if min(counts.values()) < 0 or sum(counts.values()) == 0:
            said = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ValueError(f"model counts must not be negative nor all 0; got {said}")

    def _check_victims(self) -> None:
        for index in self.indices():
            attack = self.attack_of(index)
            counts = () if attack is None else attack.victim_counts()
            victims = max((count for count in counts if count is not None), default=0)
            if attack is not None and attack.round4 is not None:
                self._check_round4(attack.section, attack.round4.num_classes)
            if attack is not None and victims >= self.num_classes:
                raise ValueError(
                    f"{attack.section}.num_victims must be below num_classes, "
                    f"{self.num_classes}; got {victims}"
                )

    def _check_round4(self, section: str, needed: int) -> None:
        if needed > self.num_classes:
            raise ValueError(
                f"num_classes must be at least {needed} for {section}.round4.organizations; "
                f"got {self.num_classes}"
            )

    @property
    def num_models(self) -> int:
        """Classifiers in all."""
        return len(self.indices())

    def indices(self) -> tuple[int, ...]:
        """The index of every classifier, in order; a classifier's seed and id follow from it."""
        indices = list(range(self.num_clean + self.num_polygon))
        for place, (count, _) in enumerate(FURTHER, start=1):
            indices += range(place * BLOCK, place * BLOCK + getattr(self, count))
        return tuple(indices)

    def attack_of(self, index: int) -> AttackRecipe | None:
        """How the model of that index is to be trojaned; None for a clean one."""
        if index >= BLOCK:
            attack: AttackRecipe | None = getattr(self, FURTHER[index // BLOCK - 1][1])
            return attack
        both = min(self.num_clean, self.num_polygon)
        trojaned = index % 2 == 1 if index < 2 * both else self.num_polygon > self.num_clean
        return self.polygon if trojaned else None

    def place_of(self, index: int) -> int:
        """Which model of its kind that of the index is, from 0."""
        if index >= BLOCK:
            return index % BLOCK
        both = min(self.num_clean, self.num_polygon)
        return index // 2 if index < 2 * both else index - both

    def half_of(self, index: int) -> Half:
        """Which half of the zoo the model of that index is in.

        The lower seeds of each kind are for choosing thresholds and settings, the higher ones
        for reporting; they share neither classes, images, triggers nor weights.
        """
        kind = self.attack_of(index)
        counts = {"polygon": self.num_polygon}
        counts |= {section: getattr(self, count) for count, section in FURTHER}
        count = self.num_clean if kind is None else counts[kind.section]
        return "tuning" if 2 * self.place_of(index) < count else "reporting"

    def description(self) -> dict[str, object]:
        """The recipe as plain values, without the attacks and options that it does not use."""
        values = _used(asdict(self))
        for count, section in FURTHER:
            if not values[count]:
                del values[count]
                values.pop(section, None)
        return values

    def architecture_of(self, seed: int) -> str:
        """The network of the classifier of that seed."""
        if not self.architectures:
            return self.architecture
        place = derive_seed(seed, "architecture") % len(self.architectures)
        return self.architectures[place]

    def image_facts(self, *, family_size: int, seed: int) -> ImageFacts:
        """What decides the images of the classifier of that seed and family size."""
        return ImageFacts(
            num_classes=self.num_classes,
            family_size=family_size,
            image_size=self.image_size,
            seed=seed,
        )


# Options that came later: a recipe that does not use them is described as it was before.
_UNUSED: dict[str, object] = {"round4": None, "adversarial": None, "architectures": ()}


def _used(values: dict[str, object]) -> dict[str, object]:
    """The values without unused options, inner sections likewise."""
    return {
        name: _used(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if name not in _UNUSED or value != _UNUSED[name]
    }
