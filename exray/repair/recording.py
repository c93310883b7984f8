"""What is recorded of a repair, as plain values."""

from collections.abc import Sequence
from itertools import permutations

import torch

from exray.datasets.base import Truth
from exray.repair.loop import Repair, RepairStage
from exray.repair.patch_sizes import Pair, patch_sizes
from exray.results.repairs import PairSizeRecord, RoundRecord, UnlearnedRecord
from exray.scanners.neural_cleanse.scanner import NeuralCleanse
from exray.triggers.base import InvertedTrigger

_STRENGTH = "strength"  # a measurement of the portfolio's triggers


def stage_record(stage: RepairStage) -> RoundRecord:
    """A stage of a repair, as it is recorded.

    Args:
        stage: The stage.
    """
    triggers = [one.trigger for one in stage.scan.triggers]
    strengths = [one.measurements[_STRENGTH] for one in triggers if _STRENGTH in one.measurements]
    return RoundRecord(
        accuracy=stage.accuracy,
        verdict=stage.scan.verdict.value,
        probability=stage.scan.probability,
        num_triggers=len(triggers),
        num_injected=sum(one.judgement.is_injected for one in stage.scan.triggers),
        strength=max(strengths, default=None),
    )


def unlearned_records(
    repair: Repair, truth: Truth | None, search: NeuralCleanse | None = None
) -> list[UnlearnedRecord]:
    """The unlearned triggers with what they do to held-out images before and after.

    Args:
        repair: The repair.
        truth: Ground truth; None where it is unknown.
        search: How the smallest patch of each trigger's pair is searched; None for no search.
    """
    names = repair.images.held_out.class_names
    before, after = (_sizes(stage, repair, search) for stage in (repair.before, repair.after))
    return [
        UnlearnedRecord(
            victim_class=trigger.victim_class,
            target_class=trigger.target_class,
            victim_name=names[trigger.victim_class],
            target_name=names[trigger.target_class],
            source=trigger.source,
            asr_before=asr(repair.before, repair, trigger),
            asr_after=asr(repair.after, repair, trigger),
            size_before=before.get((trigger.victim_class, trigger.target_class)),
            size_after=after.get((trigger.victim_class, trigger.target_class)),
            is_true_trigger=(
                None
                if truth is None
                else (trigger.victim_class, trigger.target_class) in truth.pairs
            ),
        )
        for trigger in repair.unlearned
    ]


def pair_size_records(repair: Repair, search: NeuralCleanse) -> list[PairSizeRecord]:
    """The smallest patches between all pairs of classes, before and after.

    Args:
        repair: The repair.
        search: How they are searched, on held-out images.

    Returns:
        A record for each pair, victim by victim; none of a pair without images that both networks
        classify right.

    Source: EX-RAY, appendix C, figures 21 and 22.
    """
    classes = range(repair.images.held_out.num_classes)
    pairs = list(permutations(classes, 2))
    before, after = (
        patch_sizes(stage.classifier, repair.images.held_out, pairs, search)
        for stage in (repair.before, repair.after)
    )
    return [
        PairSizeRecord(
            victim_class=victim,
            target_class=target,
            size_before=before[victim, target],
            size_after=after[victim, target],
        )
        for victim, target in pairs
        if (victim, target) in before and (victim, target) in after
    ]


def _sizes(stage: RepairStage, repair: Repair, search: NeuralCleanse | None) -> dict[Pair, float]:
    """Pixels of the smallest patch of every unlearned trigger's pair; empty without a search."""
    if search is None:
        return {}
    pairs = [(trigger.victim_class, trigger.target_class) for trigger in repair.unlearned]
    return patch_sizes(stage.classifier, repair.images.held_out, pairs, search)


@torch.no_grad()
def asr(stage: RepairStage, repair: Repair, trigger: InvertedTrigger) -> float | None:
    """A trigger's ASR on the held-out images of its victim; None without any.

    Args:
        stage: The classifier before or after.
        repair: The repair that it is a stage of.
        trigger: The trigger.
    """
    images = repair.images.held_out.of_class(trigger.victim_class)
    if not len(images):
        return None
    classes = stage.classifier.predict(trigger.apply(images)).argmax(dim=1)
    return float((classes == trigger.target_class).double().mean())


def provenance(repair: Repair, records: Sequence[UnlearnedRecord]) -> dict[str, object]:
    """What the metadata of the repaired weights says of the repair itself.

    Args:
        repair: The repair.
        records: Its unlearned triggers, as recorded.
    """
    return {
        "num_learned": len(repair.images.learned),
        "num_held_out": len(repair.images.held_out),
        "rounds": len(repair.rounds),
        "before": vars(stage_record(repair.before)),
        "after": vars(stage_record(repair.after)),
        "unlearned": [vars(record) for record in records],
        "num_natural": len(repair.natural),
        "obstacles": list(repair.obstacles),
    }
