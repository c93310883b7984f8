"""What the library's functions are given, in the forms that a caller has it in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.datasets.base import LoadedModel
from exray.datasets.folder import FolderDataset
from exray.datasets.preprocess import FolderPreprocess
from exray.images.class_order import ClassOrder, labelled_in_order
from exray.images.decoded import DecodedImages
from exray.images.interpolation import Interpolation
from exray.images.loading import decode_clean_images
from exray.images.samples import SampleSet
from exray.images.tensors import samples_of
from exray.judges.base import Judge
from exray.models.batch_statistics import BatchStatistics, with_image_statistics
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
        layer: Where those that are named cut the network.
        seed: Of those that are named.

    Raises:
        ValueError: If there is no such scanner or judge.
    """
    own_judge = make_judge(judge, layer=layer, seed=seed) if isinstance(judge, str) else judge
    name = scanner if isinstance(scanner, str) else option_of("scanner", scanner)
    if isinstance(scanner, str):
        scanner = cast(Scanner, component_named("scanner", scanner, seed=seed, layer=layer))
    return scanner, own_judge.for_scanner(name)


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How a model's file and clean images are read, as the flags of ``exray scan`` say it.

    Args:
        architecture: Name of the network whose weights a file holds.
        factory: ``FILE.py:function`` that builds it, and is executed; :func:`load_classifier` takes
            a function itself.
        num_classes: Of a network built by name; None reads it from the weights.
        weights: Which of several weights in a file: their key, or ``ema``.
        images_per_class: At most so many images of each class; None for all.
        size: Resize images' shorter side to so many pixels; None for what the network's publisher
            declares, if anybody does.
        crop: Then crop the centre, in pixels.
        interpolation: Of the resizing; None likewise.
        exif_orientation: Whether images are turned as their EXIF orientation says.
        class_order: How folders called by numbers are counted; see
            :func:`exray.images.class_order.classes_of_numbers`.
        batch_statistics: ``images`` for a network that is right in training mode alone.
    """

    architecture: str | None = None
    factory: str | None = None
    num_classes: int | None = None
    weights: str | None = None
    images_per_class: int | None = 40
    size: int | None = None
    crop: int | None = None
    interpolation: Interpolation | None = None
    exif_orientation: bool = False
    class_order: ClassOrder = "index"
    batch_statistics: BatchStatistics = "stored"


def given_model(
    classifier: Classifier | nn.Module | str | Path,
    samples: object,
    preprocessing: Preprocessing | None = None,
    options: FileOptions | None = None,
) -> LoadedModel:
    """A classifier with its clean images, in whatever form a caller has them.

    A file and a folder are read as ``exray scan`` reads them.

    Args:
        classifier: A classifier, a network, or a file or a hub's folder.
        samples: A folder, a set of samples, a pair of tensors, a ``DataLoader`` or a dataset.
        preprocessing: Of a network or file; None for what a file's publisher declares, or nothing.
        options: How files are read; None for the defaults.

    Raises:
        CheckpointError: If a file is no checkpoint, or does not say which network it holds.
        TypeError: If the samples are of no known kind.
        ValueError: If classifier, samples and options do not fit together.
    """
    ways = options or FileOptions()
    if isinstance(classifier, str | Path) and isinstance(samples, str | Path):
        return _read(Path(classifier), Path(samples), preprocessing, ways)
    images = decoded(samples, grey_allowed=isinstance(classifier, Classifier), options=ways)
    chosen = fitted(classifier, images.images, preprocessing, ways)
    clean, remarks = labelled(images, chosen, ways.class_order)
    if ways.batch_statistics == "images":
        chosen = with_image_statistics(chosen, clean.images)
    return LoadedModel(
        classifier=chosen,
        samples=clean,
        architecture=chosen.name,
        warnings=(*chosen.warnings, *remarks),
    )


def _read(
    model: Path, images: Path, preprocessing: Preprocessing | None, options: FileOptions
) -> LoadedModel:
    """A file with a folder of images, read by the same code as on the command line."""
    undecided = {"mean": None, "std": None, "scaling": None}
    given = undecided if preprocessing is None else vars(preprocessing)
    dataset = FolderDataset(
        name="memory",
        model=str(model),
        images=str(images),
        architecture=options.architecture,
        factory=options.factory,
        num_classes=options.num_classes,
        weights=options.weights,
        preprocess=FolderPreprocess(
            **given,
            size=options.size,
            crop=options.crop,
            interpolation=options.interpolation,
            exif_orientation=options.exif_orientation,
        ),
        limit_per_class=options.images_per_class,
        class_order=options.class_order,
        batch_statistics=options.batch_statistics,
    )
    dataset.check()
    return dataset.load(dataset.model_ids()[0])


def decoded(
    samples: object, *, grey_allowed: bool, options: FileOptions | None = None
) -> SampleSet | DecodedImages:
    """Clean images before the classifier's number of classes is known, of three channels.

    Args:
        samples: A folder, a set of samples, a pair of tensors, a ``DataLoader`` or a dataset.
        grey_allowed: Whether images of one channel stay as they are.
        options: How a folder is read; None for the defaults.

    Raises:
        TypeError: If they are of no known kind.
    """
    ways = options or FileOptions()
    if isinstance(samples, str | Path):
        return decode_clean_images(
            Path(samples),
            size=ways.size,
            crop=ways.crop,
            limit_per_class=ways.images_per_class,
            exif_orientation=ways.exif_orientation,
            interpolation=ways.interpolation or "bilinear",
        )
    clean = samples_of(samples)
    if grey_allowed or clean.images.shape[1] != 1:
        return clean
    return replace(clean, images=clean.images.expand(-1, 3, -1, -1).contiguous())


def labelled(
    decoded: SampleSet | DecodedImages, classifier: Classifier, class_order: ClassOrder = "index"
) -> tuple[SampleSet, tuple[str, ...]]:
    """The clean images under the classifier's classes, and what the user should know.

    Args:
        decoded: As :func:`decoded` gives them.
        classifier: Whose classes they are.
        class_order: How folders called by numbers are counted.

    Raises:
        ValueError: If they have more classes than the classifier, or no folders are there to count.
    """
    if isinstance(decoded, SampleSet):
        if class_order != "index":
            raise ValueError(
                f"class_order counts folders, and samples are in memory; got {class_order!r}: "
                "give a folder, or labels that are the classifier's own"
            )
        return _with_all_classes(decoded, classifier), ()
    loaded = labelled_in_order(decoded, class_order, classifier.num_classes)
    return loaded.samples, loaded.warnings


def fitted(
    classifier: Classifier | nn.Module | str | Path,
    images: Float[Tensor, "n c h w"],
    preprocessing: Preprocessing | None,
    options: FileOptions | None = None,
) -> Classifier:
    """The classifier itself, or one around a network or out of a file.

    Args:
        classifier: Any of these.
        images: On which a network's number of classes is seen.
        preprocessing: Of a network or file; None for what is declared, or nothing.
        options: Which network a file holds; None where it says so itself.

    Raises:
        ValueError: If a classifier with a preprocessing of its own is given another, or one that
            is loaded is described again.
    """
    ways = options or FileOptions()
    description = {
        "architecture": ways.architecture,
        "factory": ways.factory,
        "num_classes": ways.num_classes,
        "weights": ways.weights,
    }
    if not isinstance(classifier, Classifier):
        return load_classifier(
            classifier,
            example=images,
            preprocessing=preprocessing,
            **description,  # type: ignore[arg-type]
        )
    given = [name for name, value in description.items() if value is not None]
    if preprocessing is not None or given:
        name = given[0] if given else "preprocessing"
        raise ValueError(
            f"{name} belongs to a network; the classifier has its own: give "
            f"load_classifier(..., {name}=...) the other one"
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
