"""A stranger's model file with a folder of clean images as the source of a run."""

import hashlib
from pathlib import Path

from torch import nn

from exray.datasets.base import LoadedModel, ModelDataset, Truth
from exray.datasets.preprocess import FolderPreprocess
from exray.errors import CheckpointError
from exray.images.loading import are_clean_images, read_clean_images
from exray.models.architectures.factory import network_from_factory
from exray.models.architectures.registry import ARCHITECTURES, build, check_architecture
from exray.models.checkpoints.reader import Checkpoint, file_sha256, holds_network, read_checkpoint
from exray.models.checkpoints.weights import load_state, state_for
from exray.models.classifier import Classifier, Preprocessing
from exray.models.outputs import LogitSource, probe_outputs, without_final_softmax

_PROBE_IMAGES = 8  # images on which the outputs are looked at


class FolderDataset(ModelDataset):
    """One model file and a folder of clean images by class.

    Args:
        name: What records call it.
        model: A state dict (``.pt``, ``.pth``, ``.safetensors``), or a pickled network of torch's
            and torchvision's layers.
        images: Folder with one subfolder a class, or files named ``class_3_example_1.png``, or
            CIFAR-10 (see :func:`exray.images.loading.read_clean_images`).
        architecture: Name of a network of ours; None where a factory is given, or the file holds
            the network.
        factory: ``FILE.py:function`` that builds the network; the user vouches for the file.
        num_classes: Classes of a network built by name; None reads it from the last weight.
        preprocess: How images become inputs.
        limit_per_class: Images of each class at most; None for all.

    Raises:
        ValueError: If a file or folder is missing, not exactly one of architecture and factory is
            given although the file holds weights alone, the architecture does not exist, or the
            factory builds no network.
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
        self.name = name
        self.model = Path(model)
        self.images = Path(images)
        if not self.model.is_file():
            raise ValueError(f"dataset.model must be a file; {model!r} is none")
        if not are_clean_images(self.images):
            raise ValueError(f"dataset.images must be a folder; {images!r} is none")
        named = (architecture is not None) + (factory is not None)
        if named != 1 and (named or not holds_network(self.model)):
            raise ValueError(
                "give exactly one of dataset.architecture=NAME (known: "
                f"{', '.join(ARCHITECTURES)}, torchvision/NAME, timm/NAME) and "
                "dataset.factory=FILE.py:function; "
                f"got architecture={architecture!r} and factory={factory!r}"
            )
        # What was typed is tried before anything is scanned; a factory is executed to see it.
        if architecture is not None:
            check_architecture(architecture)
        if factory is not None:
            network_from_factory(factory)
        self.architecture = architecture
        self.factory = factory
        self.num_classes = num_classes
        self.preprocess = preprocess
        if limit_per_class is not None and limit_per_class < 1:
            raise ValueError(f"dataset.limit_per_class must be >= 1 or null; got {limit_per_class}")
        self.limit_per_class = limit_per_class
        self.preprocessing = Preprocessing(
            scaling=preprocess.scaling, mean=preprocess.mean, std=preprocess.std
        )

    def model_ids(self) -> tuple[str, ...]:
        """The file's name without its ending."""
        return (self.model.stem,)

    def model_file(self, model_id: str) -> Path:
        """``dataset.model``."""
        del model_id
        return self.model

    def truth(self, model_id: str) -> Truth | None:
        """None: the truth is unknown."""
        del model_id
        return None

    def fingerprint(self) -> str:
        """Hash of the model file, the factory's file and everything in the images' folder."""
        factory = [] if self.factory is None else [Path(self.factory.rpartition(":")[0])]
        inside = [self.images, *sorted(self.images.rglob("*"))]
        images = [path for path in inside if path.is_file()]
        lines = [file_sha256(path) for path in (self.model, *factory) if path.is_file()]
        lines += [f"{path.relative_to(self.images)} {file_sha256(path)}" for path in images]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def load(self, model_id: str) -> LoadedModel:
        """The classifier with its samples.

        Raises:
            CheckpointError: If the file does not hold the network's weights.
            ValueError: If the images do not fit the network, or it returns no finite logits.
        """
        del model_id
        checkpoint = read_checkpoint(self.model)
        network = self._network(checkpoint)
        label = self._label(network)
        found = read_clean_images(
            self.images,
            num_classes=None,
            size=self.preprocess.size,
            crop=self.preprocess.crop,
            limit_per_class=self.limit_per_class,
        )
        probe = self.preprocessing(found.samples.images[:_PROBE_IMAGES])
        num_classes = probe_outputs(network, probe).num_classes
        samples = found.samples
        unused = checkpoint.network is not None and network is not checkpoint.network
        remarks = () if unused else checkpoint.remarks
        warnings = [*remarks, *found.warnings]
        if samples.num_classes != num_classes:
            # Read again under the network's count: labels outside it are named, names padded.
            found = read_clean_images(
                self.images,
                num_classes=num_classes,
                size=self.preprocess.size,
                crop=self.preprocess.crop,
                limit_per_class=self.limit_per_class,
            )
            samples, warnings = found.samples, [*remarks, *found.warnings]
        network, source = without_final_softmax(network, probe)
        if source is not LogitSource.NETWORK:
            warnings.append(f"the network returns probabilities; logits are taken from {source}")
        classifier = Classifier(network, self.preprocessing, num_classes=num_classes, name=label)
        return LoadedModel(
            classifier=classifier,
            samples=samples,
            architecture=label,
            warnings=tuple(warnings),
        )

    def _label(self, network: nn.Module) -> str:
        if self.factory is not None:
            return self.factory.rsplit(":", 1)[-1]
        return self.architecture or type(network).__name__

    def _network(self, checkpoint: Checkpoint) -> nn.Module:
        if self.factory is not None:
            network = network_from_factory(self.factory)
        elif self.architecture is not None:
            network = build(self.architecture, num_classes=self._count(checkpoint))
        elif checkpoint.network is not None:
            return checkpoint.network
        else:
            raise CheckpointError(
                self.model,
                checkpoint.unbuilt or "holds no network",
                "give dataset.factory=FILE.py:function or dataset.architecture=NAME",
            )
        load_state(network, state_for(network, checkpoint, self.model), self.model)
        return network.eval()

    def _count(self, checkpoint: Checkpoint) -> int:
        """Classes of a network built by name: as told, or the length of its last weight."""
        if self.num_classes is not None:
            return self.num_classes
        assert self.architecture is not None
        blank = build(self.architecture, num_classes=2)
        last = list(blank.state_dict())[-1]
        state = state_for(blank, checkpoint, self.model)
        return int(state[last].shape[0]) if last in state else 2
