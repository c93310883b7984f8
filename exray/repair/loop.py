"""Repair of one classifier: scan, unlearn, scan again, within a budget of accuracy."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exray.images.samples import SampleSet
from exray.judges.base import JudgedTrigger
from exray.models.classifier import Classifier
from exray.pipeline.classifier_scan import ClassifierScan
from exray.repair.base import RepairMethod
from exray.repair.image_parts import RepairImages, split_images
from exray.repair.settings import RepairSettings
from exray.repair.stamping import can_be_stamped
from exray.rules.verdict import Verdict
from exray.scanners.base import Progress
from exray.seeding import derive_seed
from exray.triggers.base import InvertedTrigger

logger = logging.getLogger(__name__)

ScanFunction = Callable[[Classifier, SampleSet], ClassifierScan]
"""Triggers, judgements and verdict of a classifier on clean images."""


class NothingToRepairError(ValueError):
    """A scan gave no trigger to unlearn, or could not say whether there is one.

    Args:
        scan: The scan.
        settings: Which triggers were to be unlearned.
    """

    def __init__(self, scan: ClassifierScan, settings: RepairSettings) -> None:
        self.scan = scan
        super().__init__(_nothing(scan, settings))


def _nothing(scan: ClassifierScan, settings: RepairSettings) -> str:
    """Why there is nothing to unlearn, and what can be done instead."""
    if scan.verdict is Verdict.INCONCLUSIVE:
        reason = next((text for text in scan.warnings if text.startswith("inconclusive")), "")
        return f"the scan is inconclusive, so nothing is repaired: {reason}"
    if any(one.judgement.is_injected for one in scan.triggers):
        return "its injected triggers are known on their own images only and cannot be stamped"
    if scan.triggers and settings.triggers == "injected":
        return (
            f"it is {scan.verdict}: none of its {len(scan.triggers)} triggers is injected, and "
            "unlearning natural ones costs accuracy; triggers=all does so all the same"
        )
    return f"it is {scan.verdict}: there is no trigger to unlearn"


@dataclass(frozen=True, kw_only=True, eq=False)
class RepairStage:
    """A classifier before the repair or after one of its rounds, as held-out images show it.

    Args:
        classifier: The classifier.
        accuracy: On the held-out images, a fraction.
        scan: Its scan on the held-out images.
    """

    classifier: Classifier
    accuracy: float
    scan: ClassifierScan


@dataclass(frozen=True, kw_only=True, eq=False)
class Repair:
    """What a repair did.

    Args:
        images: What was learned from and measured on.
        before: The classifier as it came.
        after: The classifier as it is given back.
        rounds: The classifiers after each round that was measured, the last one kept unless it
            cost too much accuracy where an earlier one did not.
        unlearned: The triggers, of all rounds.
        natural: The triggers that were left alone as natural.
        obstacles: Why the result is not good enough, one sentence each; none where it is.
    """

    images: RepairImages
    before: RepairStage
    after: RepairStage
    rounds: tuple[RepairStage, ...]
    unlearned: tuple[InvertedTrigger, ...]
    natural: tuple[InvertedTrigger, ...]
    obstacles: tuple[str, ...]


def repair_in_rounds(
    classifier: Classifier,
    samples: SampleSet,
    method: RepairMethod,
    settings: RepairSettings,
    scan: ScanFunction,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Repair:
    """Repairs a copy of a classifier, round after round.

    A round stamps the triggers found so far, those of earlier rounds too, so that none comes back.
    The repair ends when a scan finds nothing more to unlearn, after the last round, or when a round
    costs more accuracy than is allowed, whose classifier is then given back only if there is none
    of an earlier round.

    Args:
        classifier: Stays as it is.
        samples: Clean images of every class, on its device.
        method: Changes the weights.
        settings: Rounds and bars.
        scan: Finds triggers and judges them.
        seed: Of the parts of the images and of the method.
        progress: Called with the stage's name, the rounds done and the rounds in all.

    Raises:
        NothingToRepairError: If the scan finds nothing to unlearn.
        ValueError: If there are too few images, or the network cannot learn.
    """
    images = _split(samples, settings, seed)
    before = _measured(classifier, images, scan)
    first = _to_unlearn(before.scan, settings) or _suspect(before.scan, settings)
    if not first:
        raise NothingToRepairError(before.scan, settings)
    least = before.accuracy - settings.max_accuracy_drop
    unlearned, rounds = list(first), [before]
    for number in range(settings.rounds):
        if progress is not None:
            progress("repair", number, settings.rounds)
        own_seed = derive_seed(seed, "round", number)
        repaired = method.repaired(rounds[-1].classifier, images.learned, unlearned, seed=own_seed)
        rounds.append(_measured(repaired, images, scan))
        more = _to_unlearn(rounds[-1].scan, settings)
        if not more or rounds[-1].accuracy < least or number + 1 == settings.rounds:
            break
        unlearned += more
    after = _kept(rounds[1:], least)
    return Repair(
        images=images,
        before=before,
        after=after,
        rounds=tuple(rounds[1:]),
        unlearned=tuple(unlearned),
        natural=() if settings.triggers == "all" else _natural(before.scan, unlearned),
        obstacles=_obstacles(before, after, settings),
    )


def _split(samples: SampleSet, settings: RepairSettings, seed: int) -> RepairImages:
    """What is learned from, and what is held out."""
    return split_images(
        samples,
        held_out_share=settings.held_out_share,
        min_per_class=settings.min_images_per_class,
        seed=seed,
    )


def _measured(classifier: Classifier, images: RepairImages, scan: ScanFunction) -> RepairStage:
    """A classifier's accuracy and scan on the held-out images."""
    accuracy = classifier.accuracy(images.held_out.images, images.held_out.labels)
    stage = RepairStage(
        classifier=classifier, accuracy=accuracy, scan=scan(classifier, images.held_out)
    )
    logger.info("accuracy %.3f on held-out images, %s", accuracy, stage.scan.verdict)
    return stage


def _to_unlearn(scan: ClassifierScan, settings: RepairSettings) -> tuple[InvertedTrigger, ...]:
    """The scan's triggers that are to be unlearned and can be stamped."""
    if scan.verdict is Verdict.INCONCLUSIVE:
        return ()
    return tuple(
        one.trigger
        for one in scan.triggers
        if _is_wanted(one, settings) and can_be_stamped(one.trigger)
    )


def _is_wanted(one: JudgedTrigger, settings: RepairSettings) -> bool:
    return settings.triggers == "all" or one.judgement.is_injected


def _suspect(scan: ClassifierScan, settings: RepairSettings) -> tuple[InvertedTrigger, ...]:
    """The trigger of the highest score, if it is asked for and there is one that can be stamped."""
    if settings.triggers != "suspect" or scan.verdict is Verdict.INCONCLUSIVE:
        return ()
    known = [one for one in scan.triggers if can_be_stamped(one.trigger)]
    return (max(known, key=lambda one: one.judgement.score).trigger,) if known else ()


def _natural(
    scan: ClassifierScan, unlearned: Sequence[InvertedTrigger]
) -> tuple[InvertedTrigger, ...]:
    """The natural triggers that were left alone."""
    done = {id(trigger) for trigger in unlearned}
    natural = [one.trigger for one in scan.triggers if not one.judgement.is_injected]
    return tuple(trigger for trigger in natural if id(trigger) not in done)


def _kept(rounds: Sequence[RepairStage], least: float) -> RepairStage:
    """The last round's classifier that is accurate enough; the first round's if none is."""
    accurate = [stage for stage in rounds if stage.accuracy >= least]
    return accurate[-1] if accurate else rounds[0]


def _obstacles(
    before: RepairStage, after: RepairStage, settings: RepairSettings
) -> tuple[str, ...]:
    """Why the repaired classifier is not good enough to be written."""
    reasons = []
    if after.accuracy < before.accuracy - settings.max_accuracy_drop:
        reasons.append(
            f"accuracy on held-out images fell from {before.accuracy:.3f} to {after.accuracy:.3f}, "
            f"by more than {settings.max_accuracy_drop:g}"
        )
    if after.scan.verdict is Verdict.TROJANED:
        share = after.scan.probability
        reasons.append(f"the scan still says trojaned (probability {share:.2f})")
    if after.scan.verdict is Verdict.INCONCLUSIVE:
        reasons.append("the scan of the repaired classifier is inconclusive")
    return tuple(reasons)
