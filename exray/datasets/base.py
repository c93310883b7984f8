"""The interface of datasets of models, and ground truth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from exray.images.geometry import ImageFiles
from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.zoo.attack_tests import AttackTest

Plain = str | int | float | bool | None
"""A value as JSON and tables hold it."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Ground truth of one model.

    Args:
        is_trojaned: Whether it was trojaned.
        pairs: Victim and target class of every injected trigger, as far as they are known.
        kind: Kinds of its injected triggers, comma-joined; empty for a clean model, or where they
            are unknown.
        details: What else is known of it, by the name that records use.

    Example:
        >>> truth = Truth(is_trojaned=True, pairs=frozenset({(4, 9), (3, 5)}), kind="polygon")
        >>> truth.to_dict()["trigger_pairs"], truth.to_dict()["target_class"]
        ('3>5,4>9', None)
    """

    is_trojaned: bool
    pairs: frozenset[tuple[int, int]] = frozenset()
    kind: str = ""
    details: Mapping[str, Plain] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Plain]:
        """Plain values, as records store them; the details win."""
        values: dict[str, Plain] = {"is_trojaned": self.is_trojaned}
        if self.kind:
            values["trigger"] = self.kind
        if self.pairs:
            pairs = sorted(self.pairs)
            targets = {target for _, target in pairs}
            values |= {
                "victim_classes": ",".join(map(str, sorted({victim for victim, _ in pairs}))),
                "target_class": targets.pop() if len(targets) == 1 else None,
                "trigger_pairs": ",".join(f"{victim}>{target}" for victim, target in pairs),
            }
        return values | dict(self.details)


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A classifier with the clean samples it is scanned on.

    Args:
        classifier: The frozen classifier.
        samples: Clean images at its size.
        architecture: Name of the network.
        warnings: What the user should know about how it was loaded, one sentence each.
        files: Where the samples can be read again; None where they are no files.
    """

    classifier: Classifier
    samples: SampleSet
    architecture: str
    warnings: tuple[str, ...] = ()
    files: ImageFiles | None = None


class ModelDataset(ABC):
    """Classifiers to scan. Ground truth is read separately, after the verdict."""

    name: str

    @abstractmethod
    def model_ids(self) -> tuple[str, ...]:
        """The models' ids, in a fixed order."""

    def check(self) -> None:  # noqa: B027 - most datasets have nothing to check
        """Refuse what can be seen to be wrong before anything is scanned.

        Raises:
            ValueError: If a model cannot be loaded as it is described.
        """

    @abstractmethod
    def load(self, model_id: str) -> LoadedModel:
        """One classifier with its clean samples."""

    @abstractmethod
    def model_file(self, model_id: str) -> Path:
        """The file that a model is loaded from, whether or not it can be read."""

    @abstractmethod
    def truth(self, model_id: str) -> Truth | None:
        """A model's ground truth; None where it is unknown."""

    def attack_test(self, model_id: str) -> AttackTest | None:
        """Images that tell a model's accuracy and what its true triggers do; by default None.

        Args:
            model_id: The model. Scans must not see what this returns.
        """
        del model_id
        return None

    def true_images(self, model_id: str) -> Mapping[tuple[int, int], UInt8[Tensor, "3 h w"]]:
        """An image of a victim with the injected trigger, by victim and target; here none.

        Args:
            model_id: The model.
        """
        del model_id
        return {}

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the files that a run reads, so that changed files make another run."""
