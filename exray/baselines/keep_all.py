"""No judge at all: every trigger that the scanner finds counts as injected."""

from collections.abc import Sequence

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.triggers.judge import Judge, Judgement
from exray.triggers.trigger import InvertedTrigger


class KeepAll(Judge):
    """The scanner alone, as the paper's tables call vanilla."""

    def judge(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """Injected, with a score that ranks triggers by ASR."""
        del classifier, samples
        return [
            Judgement(
                is_injected=True,
                score=0.5 + 0.5 * trigger.asr,
                reason=f"injected: no judge was asked (ASR {trigger.asr:.2f})",
            )
            for trigger in triggers
        ]
