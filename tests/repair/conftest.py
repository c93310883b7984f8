"""A scan that knows one trigger, and settings that small sets of images meet."""

import pytest
import torch

from exray.judges.base import JudgedTrigger, Judgement
from exray.pipeline.classifier_scan import ClassifierScan
from exray.repair.base import RepairMethod
from exray.repair.fine_tuning import FineTuning
from exray.repair.settings import RepairSettings
from exray.repair.unlearning import Unlearning
from exray.rules.verdict import Verdict


class Scripted(RepairMethod):
    """Gives back prepared classifiers, and keeps what it was asked to unlearn."""

    def __init__(self, *classifiers):
        self.classifiers, self.asked, self.learned = list(classifiers), [], []

    def repaired(self, classifier, samples, triggers, *, seed):
        del classifier, seed
        self.asked.append(list(triggers))
        self.learned.append(samples)
        return self.classifiers.pop(0)


@pytest.fixture
def scripted():
    """Makes a method that gives back these classifiers, one after the other."""
    return Scripted


@pytest.fixture
def fine_tuning():
    return FineTuning(
        epochs=30,
        batch_size=6,
        learning_rate=0.2,
        weight_decay=0.0,
        stamped_share=0.5,
        distilled_share=0.0,
        batch_statistics="learned",
    )


@pytest.fixture
def unlearning(fine_tuning):
    return Unlearning(fine_tuning=fine_tuning)


@pytest.fixture
def settings():
    return RepairSettings(
        triggers="injected",
        rounds=3,
        max_accuracy_drop=0.1,
        held_out_share=0.5,
        min_images_per_class=4,
    )


@pytest.fixture
def asr_of():
    """Share of the victim's images that a trigger sends to its target."""

    @torch.no_grad()
    def share(classifier, trigger, samples):
        stamped = trigger.apply(samples.of_class(trigger.victim_class))
        classes = classifier(stamped).argmax(dim=1)
        return float((classes == trigger.target_class).double().mean())

    return share


@pytest.fixture
def scan_of():
    """Makes a scan of these triggers, each with whether it is injected."""

    def scan(verdict, *judged, warnings=()):
        triggers = tuple(
            JudgedTrigger(
                trigger=trigger,
                judgement=Judgement(is_injected=is_injected, score=float(is_injected), reason=""),
            )
            for trigger, is_injected in judged
        )
        return ClassifierScan(
            verdict=verdict,
            probability={Verdict.TROJANED: 0.9, Verdict.INCONCLUSIVE: 0.5}.get(verdict, 0.1),
            triggers=triggers,
            num_classes=3,
            class_names=("red", "green", "blue"),
            clean_accuracy=1.0,
            warnings=warnings,
            seconds={},
        )

    return scan


@pytest.fixture
def honest_scan(white_patch, asr_of, scan_of):
    """Finds the white patch as long as it flips its victim."""

    def scan(classifier, samples):
        if asr_of(classifier, white_patch, samples) > 0.5:
            return scan_of(Verdict.TROJANED, (white_patch, True))
        return scan_of(Verdict.CLEAN)

    return scan
