"""What a zoo is to contain and how its classifiers are trained."""

from dataclasses import dataclass


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
        ValueError: If a count or the learning rate is not positive.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    images_per_class: int
    test_per_class: int

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "images_per_class", "test_per_class"):
            if not getattr(self, name) > 0:
                raise ValueError(f"training.{name} must be positive; got {getattr(self, name)}")


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
        ValueError: If a share lies outside [0, 1] or nothing is poisoned.
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


@dataclass(frozen=True, kw_only=True)
class ZooRecipe:
    """A zoo: how many classifiers of which kind, and from which seed.

    Args:
        name: What the zoo is called.
        num_clean: Clean classifiers.
        num_polygon: Classifiers trojaned by a polygon.
        seed: First model's seed; model i has ``seed + i``. Zoos of other seeds share nothing.
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
        ValueError: If a bar is no fraction or a count is negative.
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

    @property
    def num_models(self) -> int:
        """Classifiers in all."""
        return self.num_clean + self.num_polygon

    def is_trojaned(self, index: int) -> bool:
        """Whether the model of that index is to be trojaned; the two kinds alternate."""
        if index < 2 * min(self.num_clean, self.num_polygon):
            return index % 2 == 1
        return self.num_polygon > self.num_clean
