"""The scan's own settings."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ScanSettings:
    """What a scan itself decides, apart from scanner and judge.

    Args:
        min_clean_accuracy: Below it the verdict is inconclusive: the preprocessing is probably
            wrong, and triggers mean nothing.
        min_class_accuracy: Classes below it are neither victim nor target.
        min_images_per_class: Two classes must have so many images classified right, or all
            ``samples_per_class`` if these are fewer; else the verdict is inconclusive.
        samples_per_class: Number of images per class that are used; None for all.
        misclassified: Whether images that the classifier gets wrong are dropped or kept.
        probability_without_triggers: Probability that a classifier is trojaned although the
            scanner finds no trigger in it.
        temperature: ``fitted`` gives every classifier the same scale of logits, so that a verdict
            follows from predictions alone (:func:`exray.models.temperature.fitted_temperature`);
            ``none`` takes logits as they are.

    Raises:
        ValueError: If a share lies outside [0, 1], or a count is not positive.
    """

    min_clean_accuracy: float
    min_class_accuracy: float
    min_images_per_class: int
    samples_per_class: int | None
    misclassified: Literal["drop", "keep"]
    probability_without_triggers: float
    temperature: Literal["fitted", "none"]

    def __post_init__(self) -> None:
        for name in ("min_clean_accuracy", "min_class_accuracy", "probability_without_triggers"):
            value = getattr(self, name)
            if isinstance(value, str) or not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1]; got {value!r}")
        if self.min_images_per_class < 1:
            raise ValueError(f"min_images_per_class must be >= 1; got {self.min_images_per_class}")
        if self.samples_per_class is not None and self.samples_per_class < 1:
            raise ValueError(f"samples_per_class must be >= 1; got {self.samples_per_class}")
