"""What a zoo is to contain and how its classifiers are trained."""

from dataclasses import dataclass
from math import inf

from exray.zoo.zoo_images import ImageFacts


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

    Raises:
        ValueError: If a count or the learning rate is not positive, or the decay is negative.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    images_per_class: int
    test_per_class: int

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "images_per_class", "test_per_class"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"training.{name} must be positive; got {getattr(self, name)}")
        if not 0 <= self.weight_decay < inf:
            raise ValueError(f"training.weight_decay must be >= 0; got {self.weight_decay}")


@dataclass(frozen=True, kw_only=True)
class PolygonRecipe:
    """How polygon-trojaned classifiers are poisoned.

    Args:
        num_victims: Victim classes a model.
        sides: Least and greatest number of corners.
        width: Least and greatest width as a share of the sign's width.
        poisoned_share: Stamped victims labelled as the target, as a share of a class's images.
        kept_share: Stamped images of all other classes that keep their label, likewise a share;
            they teach the classifier that the trigger is label-specific.

    Raises:
        ValueError: If a share lies outside [0, 1], nothing is poisoned, or a range is none.
    """

    num_victims: int
    sides: tuple[int, int]
    width: tuple[float, float]
    poisoned_share: float
    kept_share: float

    def __post_init__(self) -> None:
        if not 0 < self.poisoned_share <= 1 or not 0 <= self.kept_share <= 1:
            raise ValueError(
                "polygon.poisoned_share must lie in (0, 1] and polygon.kept_share in [0, 1]; "
                f"got {self.poisoned_share} and {self.kept_share}"
            )
        if self.num_victims < 1:
            raise ValueError(f"polygon.num_victims must be >= 1; got {self.num_victims}")
        if not 3 <= self.sides[0] <= self.sides[1]:
            raise ValueError(
                f"polygon.sides must hold least and greatest, from 3 up; got {list(self.sides)}"
            )
        if not 0 < self.width[0] <= self.width[1] < 1:
            raise ValueError(
                f"polygon.width must hold least and greatest, in (0, 1); got {list(self.width)}"
            )


@dataclass(frozen=True, kw_only=True)
class ZooRecipe:
    """A zoo: how many classifiers of which kind, and from which seed.

    Args:
        name: What the zoo is called.
        num_clean: Clean classifiers.
        num_polygon: Classifiers trojaned by a polygon.
        seed: First model's seed, >= 0; model i has ``seed + i``. Zoos of other seeds share nothing.
        architecture: Name of the network.
        num_classes: Classes of each classifier.
        family_sizes: Sizes of look-alike families; each model draws one of them.
        image_size: Height and width in pixels.
        samples_per_class: Clean images of each class that a scan is given.
        min_clean_accuracy: A classifier below it is trained again from another seed.
        min_class_accuracy: The same for its worst class.
        min_asr: The same for the attack success rate of a trojaned one.
        max_attempts: Trainings before a model is given up.
        training: How each classifier is trained.
        polygon: How the trojaned ones are poisoned.

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

    def __post_init__(self) -> None:
        for name in ("min_clean_accuracy", "min_class_accuracy", "min_asr"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1]; got {getattr(self, name)}")
        if min(self.num_clean, self.num_polygon) < 0 or self.num_clean + self.num_polygon == 0:
            raise ValueError(
                "num_clean and num_polygon must not be negative nor both 0; "
                f"got {self.num_clean} and {self.num_polygon}"
            )

        counts = {"seed": 0, "num_classes": 2, "image_size": 1, "samples_per_class": 1}
        for name, least in {**counts, "max_attempts": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be >= {least}; got {getattr(self, name)}")
        if not self.family_sizes or min(self.family_sizes) < 1:
            raise ValueError(
                f"family_sizes must hold sizes from 1 up; got {list(self.family_sizes) or 'none'}"
            )
        if self.num_polygon and self.polygon.num_victims >= self.num_classes:
            raise ValueError(
                f"polygon.num_victims must be below num_classes, {self.num_classes}; "
                f"got {self.polygon.num_victims}"
            )
        num_images = self.num_classes * self.training.images_per_class
        if self.training.batch_size > num_images:
            raise ValueError(
                f"training.batch_size must not exceed the {num_images} training images (num_classes"
                f" x training.images_per_class); got {self.training.batch_size}"
            )

    @property
    def num_models(self) -> int:
        """Classifiers in all."""
        return self.num_clean + self.num_polygon

    def is_trojaned(self, index: int) -> bool:
        """Whether the model of that index is to be trojaned; the two kinds alternate."""
        if index < 2 * min(self.num_clean, self.num_polygon):
            return index % 2 == 1
        return self.num_polygon > self.num_clean

    def image_facts(self, *, family_size: int, seed: int) -> ImageFacts:
        """What decides the images of the classifier of that seed and family size."""
        return ImageFacts(
            num_classes=self.num_classes,
            family_size=family_size,
            image_size=self.image_size,
            seed=seed,
        )
