"""A stranger's model file with a folder of clean images."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from exray.datasets.base import LoadedModel
from exray.datasets.preprocess import FolderPreprocess
from exray.datasets.single import SingleModelDataset
from exray.errors import CheckpointError
from exray.images.class_order import ClassOrder, labelled_in_order
from exray.images.decoded import DecodedImages, LabelledSamples
from exray.images.fingerprint import images_fingerprint
from exray.images.geometry import Geometry, ImageFiles
from exray.images.loading import are_clean_images, decode_clean_images
from exray.images.samples import SampleSet
from exray.models.architectures.factory import network_from_factory
from exray.models.batch_statistics import (
    BatchStatistics,
    with_image_statistics,
)
from exray.models.checkpoints.model_file import FileForm, ModelFile
from exray.models.checkpoints.reader import file_sha256, network_problem
from exray.models.hub.classifier import check_without_code, is_hub_folder
from exray.models.hub.folder import HubFolder
from exray.models.loading import DESCRIBE_NETWORK, check_description, load_network


class FolderDataset(SingleModelDataset):
    """One model file and a folder of clean images by class.

    The constructor reads neither; :meth:`check` looks at the file and the factory before a scan.

    Args:
        name: What records call it.
        model: A state dict (``.pt``, ``.pth``, ``.safetensors``, ``.h5``), a pickled network of
            torch's and torchvision's layers, or a folder as model hubs store it.
        images: Folder with one subfolder per class, or another layout that
            :func:`exray.images.layouts.detection.list_images` knows.
        architecture: Name of the network; None where there is a factory, or the file holds the
            network.
        factory: ``FILE.py:function`` that builds the network; the user vouches for the file.
        num_classes: Number of classes of a network built by name; None reads it from the weights.
        weights: Which of several weights in the file: their key, the first part of their names, or
            ``ema``; None takes those that fit the network, the likeliest first.
        preprocess: How images become inputs.
        limit_per_class: At most so many images per class; None for all.
        class_order: How folders that are named by numbers are counted; see
            :func:`exray.images.class_order.classes_of_numbers`.
        batch_statistics: ``stored``, or ``images`` for a network whose batch norms are right with
            the statistics of a batch alone; see :mod:`exray.models.batch_statistics`.

    Raises:
        ValueError: If a file or folder is missing, both architecture and factory are given, or the
            architecture does not exist.
    """

    def __init__(
        self,
        *,
        name: str,
        model: str,
        images: str,
        architecture: str | None,
        factory: str | None,
        num_classes: int | None,
        weights: str | None,
        preprocess: FolderPreprocess,
        limit_per_class: int | None,
        class_order: ClassOrder = "index",
        batch_statistics: BatchStatistics = "stored",
    ) -> None:
        path = Path(model)
        super().__init__(name=name, model=path, model_id=path.name if path.is_dir() else path.stem)
        self.images = Path(images)
        if not self.model.is_file() and not is_hub_folder(self.model):
            raise ValueError(f"model must be a file or a hub's folder; {model!r} is neither")
        if not are_clean_images(self.images):
            raise ValueError(f"images must be a folder; {images!r} is none")
        check_description(architecture, factory)
        if limit_per_class is not None and limit_per_class < 1:
            raise ValueError(f"limit_per_class must be >= 1 or null; got {limit_per_class}")
        self._file = ModelFile(self.model)  # parsed by check(), loaded by load()
        self.architecture = architecture
        self.factory = factory
        self.num_classes = num_classes
        self.weights = weights
        self.preprocess = preprocess
        self.limit_per_class = limit_per_class
        self.class_order = class_order
        self.batch_statistics = batch_statistics

    def check(self) -> None:
        """Refuse a file that does not say which network it is, and a factory that builds none.

        Raises:
            ValueError: If neither architecture nor factory is given although the file holds weights
                alone, or the factory, which is executed, builds no network.
        """
        if self.factory is not None:
            network_from_factory(self.factory)
        elif self.model.is_dir():
            check_without_code(HubFolder(self.model))
        elif self.architecture is None and (problem := network_problem(self._file)):
            raise CheckpointError(self.model, problem, DESCRIBE_NETWORK)

    def fingerprint(self) -> str:
        """Hash of the model's files, the factory's file, and of what is read of the images."""
        factory = [] if self.factory is None else [Path(self.factory.rpartition(":")[0])]
        lines = [file_sha256(path) for path in (*self._model_files(), *factory) if path.is_file()]
        lines.append(images_fingerprint(self.images, limit_per_class=self.limit_per_class))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _model_files(self) -> Sequence[Path]:
        """All files that the model is read from."""
        if self.model.is_dir():
            return HubFolder(self.model).files()
        try:
            beside = self._file.onnx.files if self._file.form is FileForm.ONNX else ()
        except ValueError:  # loading says what is wrong
            beside = ()
        return [self.model, *beside]

    def load(self, model_id: str) -> LoadedModel:
        """The classifier with its samples.

        Raises:
            CheckpointError: If the file does not hold the network's weights.
            ValueError: If the images do not fit the network, or it returns no logits.
        """
        del model_id
        network = load_network(
            self._file,
            architecture=self.architecture,
            factory=self.factory,
            num_classes=self.num_classes,
            weights=self.weights,
        )
        preprocess, remark = self.preprocess.completed(network.declared)
        geometry = preprocess.geometry
        decoded = self._decoded(geometry)
        classifier = network.classifier(preprocess.preprocessing, decoded.images)
        num_classes = classifier.num_classes
        labelled = self._labelled(decoded, num_classes, network.class_indices)
        if self.batch_statistics == "images":
            classifier = with_image_statistics(classifier, labelled.samples.images)

        def read(other: Geometry) -> SampleSet:
            again = self._decoded(other)
            return self._labelled(again, num_classes, network.class_indices).samples

        return LoadedModel(
            classifier=classifier,
            samples=labelled.samples,
            architecture=classifier.name,
            warnings=(*classifier.warnings, *((remark,) if remark else ()), *labelled.warnings),
            files=ImageFiles(geometry=geometry, read=read),
        )

    def _decoded(self, geometry: Geometry) -> DecodedImages:
        """The images at a size."""
        return decode_clean_images(
            self.images,
            size=geometry.size,
            crop=geometry.crop,
            limit_per_class=self.limit_per_class,
            exif_orientation=self.preprocess.exif_orientation,
            interpolation=geometry.interpolation,
        )

    def _labelled(
        self, decoded: DecodedImages, num_classes: int, class_indices: Mapping[str, int]
    ) -> LabelledSamples:
        """The images under the classifier's classes, in the order in which folders are counted."""
        try:
            return labelled_in_order(
                decoded, self.class_order, num_classes, class_indices=class_indices
            )
        except ValueError as error:
            if self.class_order != "index":
                raise
            raise ValueError(f"{error}{_counted_from_one(decoded, num_classes)}") from error


def _counted_from_one(decoded: DecodedImages, num_classes: int) -> str:
    """What to do where folders seem to be counted from 1; empty where they do not."""
    try:
        labels = decoded.labelled(num_classes + 1).samples.labels
    except ValueError:
        return ""
    if int(labels.min()) < 1:
        return ""
    return "; if folders are counted from 1, set dataset.class_order=one_based"
