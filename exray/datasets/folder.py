"""A stranger's model file with a folder of clean images."""

import hashlib
from pathlib import Path

from exray.datasets.base import LoadedModel
from exray.datasets.preprocess import FolderPreprocess
from exray.datasets.single import SingleModelDataset
from exray.errors import CheckpointError
from exray.images.fingerprint import images_fingerprint
from exray.images.loading import are_clean_images, decode_clean_images
from exray.models.architectures.factory import network_from_factory
from exray.models.checkpoints.model_file import ModelFile
from exray.models.checkpoints.reader import file_sha256, holds_network
from exray.models.loading import DESCRIBE_NETWORK, WEIGHTS_ALONE, check_description, load_network


class FolderDataset(SingleModelDataset):
    """One model file and a folder of clean images by class.

    The constructor reads neither; :meth:`check` looks at the file and the factory before a scan.

    Args:
        name: What records call it.
        model: A state dict (``.pt``, ``.pth``, ``.safetensors``, ``.h5``), or a pickled network of
            torch's and torchvision's layers.
        images: Folder with one subfolder per class, or another layout that
            :func:`exray.images.layouts.detection.list_images` knows.
        architecture: Name of the network; None where there is a factory, or the file holds the
            network.
        factory: ``FILE.py:function`` that builds the network; the user vouches for the file.
        num_classes: Number of classes of a network built by name; None reads it from the weights.
        preprocess: How images become inputs.
        limit_per_class: At most so many images per class; None for all.

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
        preprocess: FolderPreprocess,
        limit_per_class: int | None,
    ) -> None:
        super().__init__(name=name, model=Path(model), model_id=Path(model).stem)
        self.images = Path(images)
        if not self.model.is_file():
            raise ValueError(f"model must be a file; {model!r} is none")
        if not are_clean_images(self.images):
            raise ValueError(f"images must be a folder; {images!r} is none")
        check_description(architecture, factory)
        if limit_per_class is not None and limit_per_class < 1:
            raise ValueError(f"limit_per_class must be >= 1 or null; got {limit_per_class}")
        self._file = ModelFile(self.model)  # parsed by check(), loaded by load()
        self.architecture = architecture
        self.factory = factory
        self.num_classes = num_classes
        self.preprocess = preprocess
        self.limit_per_class = limit_per_class

    def check(self) -> None:
        """Refuse a file that does not say which network it is, and a factory that builds none.

        Raises:
            ValueError: If neither architecture nor factory is given although the file holds weights
                alone, or the factory, which is executed, builds no network.
        """
        if self.factory is not None:
            network_from_factory(self.factory)
        elif self.architecture is None and not holds_network(self._file):
            raise CheckpointError(self.model, WEIGHTS_ALONE, DESCRIBE_NETWORK)

    def fingerprint(self) -> str:
        """Hash of the model file, the factory's file, and of what is read of the images."""
        factory = [] if self.factory is None else [Path(self.factory.rpartition(":")[0])]
        lines = [file_sha256(path) for path in (self.model, *factory) if path.is_file()]
        lines.append(images_fingerprint(self.images, limit_per_class=self.limit_per_class))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

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
        )
        decoded = decode_clean_images(
            self.images,
            size=self.preprocess.size,
            crop=self.preprocess.crop,
            limit_per_class=self.limit_per_class,
            exif_orientation=self.preprocess.exif_orientation,
        )
        classifier = network.classifier(self.preprocess.preprocessing, decoded.images)
        labelled = decoded.labelled(classifier.num_classes)
        return LoadedModel(
            classifier=classifier,
            samples=labelled.samples,
            architecture=classifier.name,
            warnings=(*classifier.warnings, *labelled.warnings),
        )
