"""No judge at all: every trigger that flips anything counts as injected."""

from collections.abc import Sequence

from exray.images.samples import SampleSet
from exray.judges.base import Judge, Judgement
from exray.models.classifier import Classifier
from exray.triggers.base import InvertedTrigger


class KeepAll(Judge):
    """The scanner alone, as the paper's tables call vanilla."""

    def judge(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """Injected, with a score that ranks triggers by ASR; one that flips nothing is none."""
        del classifier, samples
        return [_judgement(trigger.asr) for trigger in triggers]


def _judgement(asr: float) -> Judgement:
    if asr == 0:
        reason = "natural: it flips none of the victim's images, so it is no trigger at all"
        return Judgement(is_injected=False, score=0.0, reason=reason)
    reason = f"injected: no judge was asked (ASR {asr:.2f})"
    return Judgement(is_injected=True, score=0.5 + 0.5 * asr, reason=reason)
