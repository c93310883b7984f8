"""Where the classifiers of a run come from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier

Truth = Mapping[str, str | int | float | bool | None]
"""Ground truth of one model; ``is_trojaned`` and, where known, ``victim_classes`` (a comma-joined
list) and ``target_class``, or ``trigger_pairs`` such as ``3>5,4>9`` where targets differ."""


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A classifier with the clean samples it is scanned on.

    Args:
        classifier: The frozen classifier.
        samples: Clean images at its size.
        architecture: What the network is called.
        warnings: What the user should know about how it was loaded, a sentence each.
    """

    classifier: Classifier
    samples: SampleSet
    architecture: str
    warnings: tuple[str, ...] = ()


class ModelDataset(ABC):
    """Classifiers to scan. Ground truth is asked for separately, after the verdict."""

    name: str

    @abstractmethod
    def model_ids(self) -> tuple[str, ...]:
        """The classifiers' ids, in a fixed order."""

    @abstractmethod
    def load(self, model_id: str) -> LoadedModel:
        """One classifier with its samples."""

    @abstractmethod
    def model_file(self, model_id: str) -> Path:
        """The file that one classifier is loaded from, whether or not it can be read."""

    @abstractmethod
    def truth(self, model_id: str) -> Truth:
        """What is known of it; empty where nothing is."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the files the run reads, so that changed files make another run."""
