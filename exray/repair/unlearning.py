"""Unlearning: inverted triggers are stamped on clean images that keep their true labels."""

from collections.abc import Sequence
from dataclasses import dataclass

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.repair.base import RepairMethod
from exray.repair.fine_tuning import FineTuning, fine_tuned
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class Unlearning(RepairMethod):
    """Fine-tunes on clean images of which a share is stamped with the triggers, labels kept.

    Args:
        fine_tuning: How long, how fast, and on how many stamped images.

    Source: Wang et al. 2019 (Neural Cleanse), section VI-C; EX-RAY, section 4.6. *Differs from
    both:* a trigger is stamped on images of every class but its target, not on one trigger's
    victims alone, since an inverted trigger's victim is often one of many.
    """

    fine_tuning: FineTuning

    def repaired(
        self,
        classifier: Classifier,
        samples: SampleSet,
        triggers: Sequence[InvertedTrigger],
        *,
        seed: int,
    ) -> Classifier:
        """The classifier after fine-tuning on clean and stamped images."""
        return fine_tuned(classifier, samples, triggers, self.fine_tuning, seed=seed)
