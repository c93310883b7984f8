"""Checks that scanners share: ranges of settings, and classifiers that cannot be scanned."""

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import ScannerResult


def require_fraction(name: str, value: float | str) -> None:
    """Checks for a fraction above 0.

    Args:
        name: Name of the parameter.
        value: Its value; a misspelt number arrives as a text.

    Raises:
        ValueError: If it lies outside (0, 1].
    """
    if isinstance(value, str) or not 0 < value <= 1:
        raise ValueError(f"{name} must be a fraction in (0, 1]; got {value!r}")


def require_count(name: str, value: int | str) -> None:
    """Checks for a whole number from 1 on.

    Args:
        name: Name of the parameter.
        value: Its value.

    Raises:
        ValueError: If it is below 1 or not whole.
    """
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be >= 1; got {value!r}")


def require_size_share(name: str, value: float | str) -> None:
    """Checks for a bound on a trigger's size that some triggers keep and some exceed.

    Args:
        name: Name of the parameter.
        value: Share of the image's area.

    Raises:
        ValueError: If it lies outside (0, 1).
    """
    if isinstance(value, str) or not 0 < value < 1:
        raise ValueError(f"{name} must lie in (0, 1), a share of the image; got {value!r}")


def pixels_of(name: str, share: float, image_size: tuple[int, int]) -> float:
    """A size bound in pixels.

    Args:
        name: Name of the parameter.
        share: The bound as a share of the image's area.
        image_size: Height and width.

    Raises:
        ValueError: If it is less than one pixel, so that no trigger could be found.

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
    """An inconclusive result if the logits on clean images allow no scan, else None.

    Args:
        classifier: The classifier to scan.
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
