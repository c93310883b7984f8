"""What the library's functions are given, in the forms that a caller has it in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.images.decoded import DecodedImages
from exray.images.loading import decode_clean_images
from exray.images.samples import SampleSet
from exray.images.tensors import samples_of
from exray.judges.base import Judge
from exray.models.classifier import Classifier, Preprocessing
from exray.models.loading import load_classifier
from exray.presets.presets import component_named, option_of
from exray.scanners.base import Scanner


def make_scanner(name: str = "portfolio", *, seed: int = 0, **changes: object) -> Scanner:
    """A scanner by its name in ``conf/scanner``.

    Args:
        name: ``portfolio`` for every kind of trigger, or one for a few of them, such as ``abs``,
            ``neural_cleanse``, ``k_arm``, ``sri_re``.
        seed: Of its random choices.
        **changes: Other values than the file's; two underscores stand for the dot of a nested
            key, as in ``probe__targets_per_victim=2``.

    Raises:
        ValueError: If there is no such scanner or key, or a value is out of its range.
    """
    if "layer" in changes:  # the scanner's own; `component_named` has the judge's of that name
        changes["engine__layer"] = changes.pop("layer")
    return cast(Scanner, component_named("scanner", name, seed=seed, layer="middle", **changes))


def make_judge(
    name: str = "exray", *, layer: str = "middle", seed: int = 0, **changes: object
) -> Judge:
    """A judge by its name in ``conf/judge``.

    Args:
        name: ``exray`` for the paper's rule, ``exray_calibrated`` for one probability, fitted to
            what the scanner at hand finds, or a baseline such as ``l2``.
        layer: Where it cuts the network: ``middle``, ``second_last_conv``, ``last_conv``, or a
            module's path.
        seed: Of its random choices.
        **changes: Other values than the file's, as for :func:`make_scanner`.

    Raises:
        ValueError: If there is no such judge or key, or a value is out of its range.
    """
    return cast(Judge, component_named("judge", name, layer=layer, seed=seed, **changes))


def scan_parts(
    scanner: str | Scanner, judge: str | Judge, *, layer: str, seed: int
) -> tuple[Scanner, Judge]:
    """A scanner, and a judge as it judges what that scanner finds.

    Args:
        scanner: Its name in ``conf/scanner``, or what :func:`make_scanner` made.
        judge: Its name in ``conf/judge``, or what :func:`make_judge` made.
        layer: Where a judge that is named cuts the network.
        seed: Of those that are named.

    Raises:
        ValueError: If there is no such scanner or judge.
    """
    own_judge = make_judge(judge, layer=layer, seed=seed) if isinstance(judge, str) else judge
    name = scanner if isinstance(scanner, str) else option_of("scanner", scanner)
    own_scanner = make_scanner(scanner, seed=seed) if isinstance(scanner, str) else scanner
    return own_scanner, own_judge.for_scanner(name)


def decoded(samples: object, *, grey_allowed: bool) -> SampleSet | DecodedImages:
    """Clean images before the classifier's number of classes is known, of three channels.

    Args:
        samples: A folder, a set of samples, a pair of tensors, a ``DataLoader`` or a dataset.
        grey_allowed: Whether images of one channel stay as they are.

    Raises:
        TypeError: If they are of no known kind.
    """
    if isinstance(samples, str | Path):
        return decode_clean_images(Path(samples), size=None, crop=None, limit_per_class=None)
    clean = samples_of(samples)
    if grey_allowed or clean.images.shape[1] != 1:
        return clean
    return replace(clean, images=clean.images.expand(-1, 3, -1, -1).contiguous())


def labelled(
    decoded: SampleSet | DecodedImages, classifier: Classifier
) -> tuple[SampleSet, tuple[str, ...]]:
    """The clean images under the classifier's classes, and what the user should know.

    Args:
        decoded: As :func:`decoded` gives them.
        classifier: Whose classes they are.

    Raises:
        ValueError: If they have more classes than the classifier.
    """
    if isinstance(decoded, SampleSet):
        return _with_all_classes(decoded, classifier), ()
    loaded = decoded.labelled(classifier.num_classes)
    return loaded.samples, loaded.warnings


def fitted(
    classifier: Classifier | nn.Module | str | Path,
    images: Float[Tensor, "n c h w"],
    preprocessing: Preprocessing | None,
) -> Classifier:
    """The classifier itself, or one around a network or out of a file.

    Args:
        classifier: Any of these.
        images: On which a network's number of classes is seen.
        preprocessing: Of a network or file; None for nothing.

    Raises:
        ValueError: If a classifier with a preprocessing of its own is given another.
    """
    if not isinstance(classifier, Classifier):
        return load_classifier(
            classifier, example=images, preprocessing=preprocessing or Preprocessing()
        )
    if preprocessing is not None:
        raise ValueError(
            "preprocessing belongs to a network; the classifier has its own: give "
            "load_classifier(..., preprocessing=...) the other one"
        )
    return classifier


def _with_all_classes(samples: SampleSet, classifier: Classifier) -> SampleSet:
    """The samples with a name for every class of the classifier, those without images too."""
    missing = classifier.num_classes - samples.num_classes
    if missing < 0:
        raise ValueError(
            f"samples have {samples.num_classes} classes and the classifier has "
            f"{classifier.num_classes}; give the images that belong to it"
        )
    names = [f"class {samples.num_classes + index}" for index in range(missing)]
    return SampleSet(
        images=samples.images, labels=samples.labels, class_names=(*samples.class_names, *names)
    )


@contextmanager
def moved(classifier: Classifier, device: str | torch.device | None) -> Iterator[None]:
    """The classifier's network on another device while the block runs.

    Args:
        classifier: Moved, and moved back.
        device: Where to; None leaves it.
    """
    before = classifier.device
    if device is not None:
        classifier.network.to(device)
    try:
        yield
    finally:
        if device is not None:
            classifier.network.to(before)
