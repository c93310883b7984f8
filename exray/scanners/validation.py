"""What scanners' constructors refuse, and what no scanner can scan: one wording for all."""

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import ScannerResult


def require_fraction(name: str, value: float | str) -> None:
    """Refuses what is no fraction above 0.

    Args:
        name: Of the argument within ``scanner``.
        value: What was given; a misspelt number arrives as a text.

    Raises:
        ValueError: If it lies outside (0, 1].
    """
    if isinstance(value, str) or not 0 < value <= 1:
        raise ValueError(f"{name} must be a fraction in (0, 1]; got {value!r}")


def require_count(name: str, value: int | str) -> None:
    """Refuses what is no whole number from 1 on.

    Args:
        name: Of the argument within ``scanner``.
        value: What was given.

    Raises:
        ValueError: If it is below 1 or not whole.
    """
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be >= 1; got {value!r}")


def require_size_share(name: str, value: float | str) -> None:
    """Refuses a bound on a trigger's size that no trigger or every trigger keeps.

    Args:
        name: Of the argument within ``scanner``.
        value: Share of the image's area.

    Raises:
        ValueError: If it lies outside (0, 1).
    """
    if isinstance(value, str) or not 0 < value < 1:
        raise ValueError(f"{name} must lie in (0, 1), a share of the image; got {value!r}")


def pixels_of(name: str, share: float, image_size: tuple[int, int]) -> float:
    """A size bound in pixels.

    Args:
        name: Of the argument within ``scanner``.
        share: The bound as a share of the image's area.
        image_size: Height and width.

    Raises:
        ValueError: If it is less than one pixel, which would find nothing anywhere.

    Example:
        >>> pixels_of("patch.max_size_share", 0.5, (4, 4))
        8.0
    """
    height, width = image_size
    bound = share * height * width
    if bound < 1:
        raise ValueError(
            f"{name} leaves a trigger less than one of {height} x {width} pixels, "
            f"so that none could be found; it must be at least {1 / (height * width):.2g}; "
            f"got {share!r}"
        )
    return bound


def present_classes(samples: SampleSet) -> list[int]:
    """The classes that have images.

    Raises:
        ValueError: If they are fewer than two.
    """
    present = [index for index, count in enumerate(samples.counts()) if count > 0]
    if len(present) < 2:
        raise ValueError(
            f"a scan needs images of at least two classes; got images of {len(present)}"
        )
    return present


def nothing_to_scan(classifier: Classifier, samples: SampleSet) -> ScannerResult | None:
    """An inconclusive result where the answers on clean images tell nothing, else None.

    Args:
        classifier: What is to be scanned.
        samples: Clean images.

    Raises:
        ValueError: If fewer than two classes have images.
    """
    present_classes(samples)
    logits = classifier.predict(samples.images)
    reason = ""
    if not bool(logits.isfinite().all()):
        reason = "the classifier's logits on clean images are not all finite numbers"
    elif bool((logits == logits[:1]).all()):
        reason = "the classifier answers every clean image alike"
    if not reason:
        return None
    return ScannerResult(triggers=(), num_candidates=0, flags=False, inconclusive=reason)
