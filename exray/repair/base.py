"""The repair methods' interface: the one file to read before adding one.

A method is a class in ``exray/repair`` with ``repaired``; its values lie in ``conf/repair``.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.triggers.base import InvertedTrigger


class RepairMethod(ABC):
    """Makes triggers lose their effect. Sees no ground truth and changes none of its inputs."""

    @abstractmethod
    def repaired(
        self,
        classifier: Classifier,
        samples: SampleSet,
        triggers: Sequence[InvertedTrigger],
        *,
        seed: int,
    ) -> Classifier:
        """A classifier of the same structure whose weights were changed.

        Args:
            classifier: What is repaired; it stays as it is.
            samples: Clean images to learn from, with their true labels, on its device.
            triggers: What is to lose its effect, at least one.
            seed: Of every random choice.

        Raises:
            ValueError: If the classifier has no weights that can be learned, or no gradient
                reaches them.
        """
