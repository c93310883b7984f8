"""One TrojAI model with its clean examples, as a classifier."""

from pathlib import Path

import torch
from torch import Tensor

from exray.datasets.base import LoadedModel
from exray.datasets.preprocess import FolderPreprocess
from exray.images.decoded import read_labelled
from exray.images.decoding import read_image
from exray.images.example_names import ExampleName, example_name
from exray.images.image_files import is_image_name
from exray.images.samples import SampleSet, default_class_names
from exray.models.loading import load_network


def load_trojai_model(
    model: Path, examples: Path, preprocess: FolderPreprocess, *, limit_per_class: int | None
) -> LoadedModel:
    """A whole pickled network with its clean examples.

    Args:
        model: ``model.pt``, a network of torch's and torchvision's layers.
        examples: Folder of ``class_3_example_1.png`` files; poisoned ones are left out.
        preprocess: How images become inputs. An image smaller than the crop is not cropped.
        limit_per_class: At most so many examples per class; None for all.

    Raises:
        CheckpointError: If the file holds no network of known layers.
        ValueError: If no example can be read, one has a class beyond the network's, or the network
            returns no logits.
    """
    network = load_network(
        model, way_out="scan it with dataset=folder and dataset.architecture or dataset.factory"
    )
    images, labels, warnings = _examples(examples, preprocess, limit_per_class)
    classifier = network.classifier(preprocess.preprocessing, images)
    if int(labels.max()) >= classifier.num_classes:
        raise ValueError(
            f"{examples} has examples of class {int(labels.max())}, but the network has "
            f"{classifier.num_classes} classes; give the examples that belong to the model"
        )
    return LoadedModel(
        classifier=classifier,
        samples=SampleSet(
            images=images,
            labels=labels,
            class_names=default_class_names(classifier.num_classes),
        ),
        architecture=classifier.name,
        warnings=(*classifier.warnings, *warnings),
    )


def _examples(
    folder: Path, preprocess: FolderPreprocess, limit_per_class: int | None
) -> tuple[Tensor, Tensor, list[str]]:
    """Images, labels and warnings about the files."""
    files, warnings = _clean_examples(folder)
    labels, images, unreadable = read_labelled(
        files, lambda path: _read(path, preprocess), limit_per_class=limit_per_class
    )
    warnings += [f"left out: {reason}" for reason in unreadable]
    if not images:
        raise ValueError(
            f"{folder} holds no readable clean example; "
            f"{warnings[0] if warnings else 'its images must be named class_3_example_1.png'}"
        )
    return torch.stack(images), torch.tensor(labels), warnings


def _clean_examples(folder: Path) -> tuple[list[tuple[int, Path]], list[str]]:
    """The clean examples with their classes, class by class, and remarks on the other files."""
    if not folder.is_dir():
        raise ValueError(f"the folder of examples {folder} does not exist; name the one there is")
    examples: list[tuple[ExampleName, Path]] = []
    num_poisoned, others = 0, []
    for path in folder.iterdir():
        if path.name.startswith(".") or not path.is_file():
            continue
        name = example_name(path.name)
        if name is None or not is_image_name(path.name):
            others.append(path.name)
        elif name.trigger is not None:
            num_poisoned += 1
        else:
            examples.append((name, path))
    remarks = []
    if num_poisoned:
        remarks.append(f"{num_poisoned} poisoned examples in {folder.name} are left out")
    if others:
        remarks.append(f"{len(others)} files in {folder.name} are no examples: {min(others)!r}")
    examples.sort(key=lambda pair: (pair[0].class_index, pair[0].example, pair[1].name))
    return [(name.class_index, path) for name, path in examples], remarks


def _read(path: Path, preprocess: FolderPreprocess) -> Tensor:
    """An example; the crop leaves images that are smaller than it."""
    image = read_image(path, size=preprocess.size, crop=None)
    if preprocess.crop is None or preprocess.size is not None:
        return read_image(path, size=preprocess.size, crop=preprocess.crop)
    crop = min(preprocess.crop, *image.shape[1:])
    top, left = ((side - crop) // 2 for side in image.shape[1:])
    return image[:, top : top + crop, left : left + crop].contiguous()
