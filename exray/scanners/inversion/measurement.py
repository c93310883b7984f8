"""Success of hardened triggers on clean images of their victims."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import Inversion
from exray.scanners.inversion.success import success
from exray.triggers.base import InvertedTrigger, Trigger


@dataclass(frozen=True, kw_only=True)
class TriggerQuality:
    """Success of a hardened trigger.

    Args:
        asr: Attack success rate, a fraction.
        probability: Mean probability of the target.
    """

    asr: float
    probability: float


def measure(
    classifier: Classifier, trigger: Trigger, images: Float[Tensor, "n 3 h w"], target: int
) -> TriggerQuality:
    """Measures a trigger on images.

    Args:
        classifier: The classifier under scan.
        trigger: The hardened trigger.
        images: Clean images of its victims.
        target: Its target class.
    """
    logits = classifier.predict(trigger.apply(images))[None]
    targets = torch.tensor([target], device=logits.device)
    asr, probability = success(logits.double(), targets)  # in float32, 9 of 10 is less than 0.9
    return TriggerQuality(asr=float(asr), probability=float(probability))


def measure_candidate(inversion: Inversion, place: int) -> TriggerQuality:
    """Measures a candidate's hardened best trigger on *all* images of its victims.

    Args:
        inversion: The inversion that it is part of.
        place: Index of the candidate.
    """
    classifier, target = inversion.split.classifier, inversion.candidates[place].target
    return measure(classifier, inversion.trigger(place), inversion.pools[place], target)


def inverted_trigger(inversion: Inversion, place: int, *, source: str) -> InvertedTrigger:
    """A label-specific candidate's hardened best trigger with its success.

    Args:
        inversion: The inversion that it is part of.
        place: Index of the candidate.
        source: Name of the scanner, recorded with the trigger.
    """
    candidate, quality = inversion.candidates[place], measure_candidate(inversion, place)
    return InvertedTrigger(
        trigger=inversion.trigger(place),
        victim_class=candidate.victims[0],
        target_class=candidate.target,
        asr=quality.asr,
        target_probability=quality.probability,
        source=source,
    )


def most_flipped(
    trigger: Trigger,
    candidate: Candidate,
    classifier: Classifier,
    samples: SampleSet,
    *,
    source: str,
) -> InvertedTrigger:
    """A trigger with the victim class that it flips most, and its success there.

    Args:
        trigger: The hardened trigger.
        candidate: Its victims and target.
        classifier: The classifier under scan.
        samples: Clean images.
        source: Name of the scanner, recorded with the trigger.
    """
    results = []
    for victim in candidate.victims:
        quality = measure(classifier, trigger, samples.of_class(victim), candidate.target)
        results.append((quality.asr, quality.probability, victim))
    asr, probability, victim = max(results)
    return InvertedTrigger(
        trigger=trigger,
        victim_class=victim,
        target_class=candidate.target,
        asr=asr,
        target_probability=probability,
        source=source,
    )


def by_success(triggers: Sequence[InvertedTrigger]) -> tuple[InvertedTrigger, ...]:
    """The triggers sorted by ASR, then by target probability, highest first."""
    return tuple(sorted(triggers, key=lambda t: (-t.asr, -t.target_probability)))
