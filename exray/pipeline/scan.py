"""Scans one classifier: accuracy first, then triggers, then judgements, into records."""

import itertools
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from exray.datasets.base import LoadedModel, ModelDataset, Truth
from exray.images.samples import SampleSet
from exray.judges.base import Judge, Judgement
from exray.models.checkpoints.file_report import look_at
from exray.models.classifier import Classifier
from exray.pipeline.sample_selection import usable_samples
from exray.pipeline.scan_cache import BusyError, CachedScan, ScanCache
from exray.pipeline.settings import ScanSettings
from exray.pipeline.trigger_images import pictures
from exray.results.records import ScanRecord, TriggerRecord
from exray.rules.verdict import Verdict, model_verdict
from exray.scanners.base import Progress, Scanner, ScannerResult
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What a record says about the run it belongs to."""

    run_id: str
    dataset: str
    scanner: str
    judge: str
    layer: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything that is stored of one classifier."""

    record: ScanRecord
    triggers: tuple[TriggerRecord, ...] = ()
    tensors: dict[str, NDArray[np.generic]] | None = None


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What scans a classifier.

    Args:
        scanner: Inverts triggers.
        judge: Judges them.
        settings: Accuracy bars and sample counts.
        device: Where the classifier runs.
        cache: What scanners found before; None asks the scanner every time.
        wait: Whether to wait for another process that is inverting the same triggers.
    """

    scanner: Scanner
    judge: Judge
    settings: ScanSettings
    device: torch.device
    cache: ScanCache | None = None
    wait: bool = True

    def invert(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None
    ) -> CachedScan:
        """What the scanner finds, or found before on the same classifier and samples."""
        if self.cache is None:
            result = self.scanner.scan(classifier, samples, progress)
            return CachedScan(result=result, kept_seconds=None)
        return self.cache.scan(self.scanner, classifier, samples, progress, wait=self.wait)


def scan_model(
    source: ModelDataset,
    model_id: str,
    pipeline: Pipeline,
    labels: Labels,
    progress: Progress | None = None,
) -> Outcome:
    """Verdict, triggers and pictures of one classifier; a failure becomes a failed record.

    Args:
        source: Loads the classifier and, after the verdict, tells the truth.
        model_id: Which one.
        pipeline: Scanner, judge and settings.
        labels: What the record says about its run.
        progress: Told how far the scan is.

    Raises:
        BusyError: If another process is inverting its triggers and the pipeline does not wait.
    """
    start = time.perf_counter()
    blank = ScanRecord(
        model_id=model_id,
        run_id=labels.run_id,
        status="failed",
        verdict=Verdict.FAILED,
        probability=0.5,
        dataset=labels.dataset,
        scanner=labels.scanner,
        judge=labels.judge,
        layer=labels.layer,
        seed=labels.seed,
    )
    blank = replace(blank, look=_look(source, model_id))
    try:
        outcome = _scan(source.load(model_id), blank, pipeline, start, progress)
        return _with_truth(outcome, source.truth(model_id))
    except BusyError:
        raise
    except Exception as error:  # a failure is a record; the other models go on
        line = " ".join(str(error).split()) or type(error).__name__
        seconds = {"total": time.perf_counter() - start}
        record = replace(blank, error=traceback.format_exc(), error_line=line, seconds=seconds)
        return Outcome(record=record)


def _look(source: ModelDataset, model_id: str) -> dict[str, str | int]:
    """What the model's file is made of; empty where the source cannot say which file it is."""
    try:
        return dict(look_at(source.model_file(model_id)))
    except Exception as error:  # the look informs; loading says what is wrong
        return {"the look ends": type(error).__name__}


def _scan(
    model: LoadedModel,
    blank: ScanRecord,
    pipeline: Pipeline,
    start: float,
    progress: Progress | None,
) -> Outcome:
    classifier = model.classifier
    classifier.network.to(pipeline.device)
    samples = model.samples.to(pipeline.device)
    usable, accuracy, remarks = usable_samples(classifier, samples, pipeline.settings)
    record = replace(
        blank,
        status="done",
        architecture=model.architecture,
        num_classes=classifier.num_classes,
        clean_accuracy=accuracy,
        warnings=[*model.warnings, *remarks],
    )
    loaded = time.perf_counter()
    if usable is None:
        seconds = dict.fromkeys(("load", "total"), loaded - start)
        return Outcome(record=replace(record, verdict=Verdict.INCONCLUSIVE, seconds=seconds))
    pipeline.judge.check(classifier, usable)
    answer = pipeline.invert(classifier, usable, progress)
    found = answer.result
    inverted = time.perf_counter()
    if progress is not None:
        progress("masks", 0, 1)
    judgements = pipeline.judge.judge(classifier, usable, found.triggers)
    judged = time.perf_counter()
    seconds = _seconds((start, loaded, inverted, judged), answer)
    record = replace(_judged(record, found, judgements, pipeline), seconds=seconds)
    return _outcome(record, usable, found, judgements)


def _judged(
    record: ScanRecord, found: ScannerResult, judgements: Sequence[Judgement], pipeline: Pipeline
) -> ScanRecord:
    """The record with what scanner and judge say."""
    verdict, probability = model_verdict(
        judgements,
        is_inconclusive=bool(found.inconclusive),
        without_triggers=_without_triggers(pipeline),
    )
    return replace(
        record,
        verdict=verdict,
        probability=probability,
        scanner_flags=None if found.inconclusive else found.flags,
        scanner_score=found.score,
        warnings=[*record.warnings, *_reasons(found)],
        num_candidates=found.num_candidates,
        num_triggers=len(found.triggers),
        num_injected=sum(judgement.is_injected for judgement in judgements),
    )


def _seconds(marks: Sequence[float], answer: CachedScan) -> dict[str, float]:
    """Seconds of each stage between the marks, and what a kept inversion took when it was made."""
    stages = (after - before for before, after in itertools.pairwise(marks))
    seconds = dict(zip(("load", "inversion", "judgement"), stages, strict=True))
    kept = {} if answer.kept_seconds is None else {"kept_inversion": answer.kept_seconds}
    return {**seconds, "total": marks[-1] - marks[0], **kept}


def _outcome(
    record: ScanRecord, usable: SampleSet, found: ScannerResult, judgements: Sequence[Judgement]
) -> Outcome:
    """A finished record with its triggers' records and pictures."""
    pairs = list(zip(found.triggers, judgements, strict=True))
    triggers = tuple(
        _trigger_record(index, usable, trigger, judgement)
        for index, (trigger, judgement) in enumerate(pairs)
    )
    tensors: dict[str, NDArray[np.generic]] = {}
    for index, (trigger, judgement) in enumerate(pairs):
        tensors |= pictures(index, usable, trigger, judgement)
    return Outcome(record=record, triggers=triggers, tensors=tensors)


def _reasons(found: ScannerResult) -> list[str]:
    return [f"inconclusive: {found.inconclusive}"] if found.inconclusive else []


def _without_triggers(pipeline: Pipeline) -> float:
    """Probability of a model without triggers: the judge's where it was fitted, else as set."""
    known = pipeline.judge.probability_without_triggers
    return pipeline.settings.probability_without_triggers if known is None else known


def _trigger_record(
    index: int, samples: SampleSet, trigger: InvertedTrigger, judgement: Judgement
) -> TriggerRecord:
    return TriggerRecord(
        index=index,
        victim_class=trigger.victim_class,
        target_class=trigger.target_class,
        victim_name=samples.class_names[trigger.victim_class],
        target_name=samples.class_names[trigger.target_class],
        source=trigger.source,
        asr=trigger.asr,
        target_probability=trigger.target_probability,
        size_pixels=trigger.trigger.size_pixels,
        is_injected=judgement.is_injected,
        score=judgement.score,
        reason=judgement.reason,
        measurements={**trigger.measurements, **judgement.measurements},
        thresholds=dict(judgement.thresholds),
    )


def _with_truth(outcome: Outcome, truth: Truth | None) -> Outcome:
    """The outcome with ground truth joined; the verdict is already fixed."""
    if truth is None:
        return outcome
    triggers = tuple(
        replace(
            trigger,
            is_true_trigger=(trigger.victim_class, trigger.target_class) in truth.pairs,
        )
        for trigger in outcome.triggers
    )
    record = replace(outcome.record, truth=truth.to_dict(), is_trojaned=truth.is_trojaned)
    return Outcome(record=record, triggers=triggers, tensors=outcome.tensors)
