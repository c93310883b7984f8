"""Scans one classifier: clean accuracy first, then triggers, judgements and the record."""

import itertools
import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from exray.datasets.base import LoadedModel, ModelDataset
from exray.errors import StorageError
from exray.images.geometry import ImageFiles
from exray.images.samples import SampleSet
from exray.judges.base import Judge, JudgedTrigger
from exray.models.checkpoints.file_report import REPORT_ERROR, inspect_file
from exray.models.classifier import Classifier
from exray.models.hub.classifier import folder_report
from exray.models.hub.folder import HubFolder
from exray.pipeline.classifier_scan import ClassifierScan, RunLabels
from exray.pipeline.failures import failed_scan
from exray.pipeline.preparation import Preparation, prepare
from exray.pipeline.provenance import of_failure, of_scan, path_sha256
from exray.pipeline.sample_selection import SampleSelection
from exray.pipeline.scan_cache import BusyError, CachedScan, ScanCache
from exray.pipeline.settings import ScanSettings
from exray.pipeline.trigger_images import trigger_images
from exray.results.model_scan import ModelScan, Tensors
from exray.rules.verdict import UNDECIDED, Verdict, model_verdict
from exray.scanners.base import Progress, Scanner, ScannerResult

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What scans a classifier.

    Args:
        scanner: Inverts triggers.
        judge: Judges them.
        settings: Minimum accuracies and sample counts.
        device: Where the classifier runs.
        cache: Earlier results of scanners; None runs the scanner every time.
        wait: Whether to wait for another process that is inverting the same triggers.
        command: The command line, for the records.
    """

    scanner: Scanner
    judge: Judge
    settings: ScanSettings
    device: torch.device
    cache: ScanCache | None = None
    wait: bool = True
    command: str = ""


def scan_classifier(
    classifier: Classifier,
    samples: SampleSet,
    scanner: Scanner,
    judge: Judge,
    settings: ScanSettings,
    *,
    cache: ScanCache | None = None,
    wait: bool = True,
    warnings: Sequence[str] = (),
    started: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    files: ImageFiles | None = None,
) -> ClassifierScan:
    """Triggers, judgements and verdict of one classifier, on the device where it is.

    Args:
        classifier: The classifier.
        samples: Clean images at its size; moved to its device.
        scanner: Inverts triggers.
        judge: Judges them.
        settings: Minimum accuracies and sample counts.
        cache: Earlier results of scanners; None runs the scanner.
        wait: Whether to wait for another process that is inverting the same triggers.
        warnings: What the user should know about how the classifier was loaded; come first in the
            result's.
        started: ``time.perf_counter()`` at the beginning of the load; None for now.
        seed: Of torch's global generators during the scan; their state is restored after it.
            Scanners and judges draw from streams of their own seeds.
        progress: Called with the stage's name, the steps done and the steps in all.
        files: Where the images can be read again, if the classifier gets them wrong.

    Raises:
        BusyError: If another process is inverting its triggers and ``wait`` is False.
        ValueError: If the judge cannot judge the classifier.
    """
    start = time.perf_counter() if started is None else started
    with _seeded(seed, classifier.device):  # a faulty network may draw from them
        prepared = prepare(classifier, samples.to(classifier.device), settings, files=files)
    loaded, classifier, usable = (
        time.perf_counter(),
        prepared.classifier,
        prepared.selection.samples,
    )
    if usable is None:
        return _inconclusive_scan(prepared, samples, judge, warnings, loaded - start)
    with _seeded(seed, classifier.device):
        judge.check(classifier, usable)
        answer = _inverted(scanner, classifier, usable, cache, wait=wait, progress=progress)
        inverted = time.perf_counter()
        triggers = judge.with_progress(progress).judged(classifier, usable, answer.result.triggers)
    marks = (start, loaded, inverted, time.perf_counter())
    finding = _finding(prepared, usable, answer.result, triggers, judge, settings)
    return replace(
        finding,
        class_names=samples.class_names,
        warnings=(*warnings, *finding.warnings),
        seconds=_seconds(marks, answer.cached_seconds),
    )


def _finding(
    prepared: Preparation,
    samples: SampleSet,
    found: ScannerResult,
    triggers: Sequence[JudgedTrigger],
    judge: Judge,
    settings: ScanSettings,
) -> ClassifierScan:
    """Verdict and evidence, without what was known before the scan and how long it took."""
    selection = prepared.selection
    reason = found.inconclusive
    if not any(one.judgement.is_injected for one in triggers):
        reason = reason or selection.unsearched
    judgements = [one.judgement for one in triggers]
    verdict, probability = model_verdict(
        judgements,
        is_inconclusive=bool(reason),
        without_triggers=_without_triggers(judge, settings),
    )
    return ClassifierScan(
        verdict=verdict,
        probability=probability,
        triggers=tuple(triggers),
        scanner_result=found,
        tensors=_tensors(samples, triggers),
        num_classes=prepared.classifier.num_classes,
        class_names=samples.class_names,
        clean_accuracy=selection.accuracy,
        temperature=selection.temperature,
        warnings=_warnings(judge.remarks, selection, reason),
        seconds={},
        provenance=of_scan(prepared.classifier, samples, judge, judgements),
    )


def scan_model(
    source: ModelDataset,
    model_id: str,
    pipeline: Pipeline,
    labels: RunLabels,
    progress: Progress | None = None,
) -> ModelScan:
    """Verdict, triggers and images of one model of a dataset; a failure is a failed record.

    Args:
        source: Loads the model and, after the verdict, gives its ground truth.
        model_id: Which one.
        pipeline: Scanner, judge and settings.
        labels: What the record says about its run.
        progress: Called with the stage's name, the steps done and the steps in all.

    Raises:
        BusyError: If another process is inverting its triggers and the pipeline does not wait.
        StorageError: If what the scan leaves cannot be written.
    """
    start = time.perf_counter()
    file_report: dict[str, str | int] = {}
    try:
        model = source.load(model_id)
        file_report = dict(model.classifier.file_report)
        scan = _scan_loaded(model, pipeline, start, labels.seed, progress)
        scan = replace(scan, tensors={**scan.tensors, **_true_images(source, model_id, scan)})
        return scan.model_scan(
            labels,
            model_id=model_id,
            architecture=model.architecture,
            file_report=file_report,
            truth=source.truth(model_id),
            command=pipeline.command,
            model_sha256=path_sha256(source.model_file(model_id)),
        )
    except (BusyError, StorageError):
        raise
    except Exception as error:  # a failure is a record; the other models go on
        return failed_scan(
            model_id,
            labels,
            reason=" ".join(str(error).split()) or type(error).__name__,
            seconds=time.perf_counter() - start,
            traceback=traceback.format_exc(),
            file_report=file_report or _file_report(source, model_id),
            provenance=of_failure(
                source, model_id, device=pipeline.device, command=pipeline.command
            ),
        )


def _scan_loaded(
    model: LoadedModel, pipeline: Pipeline, start: float, seed: int, progress: Progress | None
) -> ClassifierScan:
    model.classifier.network.to(pipeline.device)
    return scan_classifier(
        model.classifier,
        model.samples,
        pipeline.scanner,
        pipeline.judge,
        pipeline.settings,
        cache=pipeline.cache,
        wait=pipeline.wait,
        warnings=model.warnings,
        started=start,
        seed=seed,
        progress=progress,
        files=model.files,
    )


def _true_images(source: ModelDataset, model_id: str, scan: ClassifierScan) -> Tensors:
    """The injected trigger on an image of its victim, for each inverted trigger of that pair."""
    try:
        images = source.true_images(model_id) if scan.triggers else {}
    except Exception:  # a picture more or less; the verdict stands
        logger.debug("no image of the true trigger of %s", model_id, exc_info=True)
        return {}
    pairs = [(one.trigger.victim_class, one.trigger.target_class) for one in scan.triggers]
    return {
        f"trigger_{index}/true_image": images[pair].permute(1, 2, 0).contiguous().cpu().numpy()
        for index, pair in enumerate(pairs)
        if pair in images
    }


def _file_report(source: ModelDataset, model_id: str) -> dict[str, str | int]:
    """What a file that could not be loaded is made of, as far as it can be inspected."""
    try:
        path = source.model_file(model_id)
        return dict(folder_report(HubFolder(path)) if path.is_dir() else inspect_file(path))
    except Exception as error:  # the report informs; loading says what is wrong
        return {REPORT_ERROR: type(error).__name__}


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds torch's global generators while the block runs."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _inconclusive_scan(
    prepared: Preparation,
    samples: SampleSet,
    judge: Judge,
    warnings: Sequence[str],
    seconds: float,
) -> ClassifierScan:
    """The scan of a classifier without usable samples."""
    classifier, selection = prepared.classifier, prepared.selection
    return ClassifierScan(
        verdict=Verdict.INCONCLUSIVE,
        probability=UNDECIDED,
        num_classes=classifier.num_classes,
        class_names=samples.class_names,
        clean_accuracy=selection.accuracy,
        trials=selection.trials,
        warnings=_warnings(warnings, selection, selection.inconclusive),
        seconds=dict.fromkeys(("load", "total"), seconds),
        provenance=of_scan(classifier, samples, judge),
    )


def _inverted(
    scanner: Scanner,
    classifier: Classifier,
    samples: SampleSet,
    cache: ScanCache | None,
    *,
    wait: bool,
    progress: Progress | None,
) -> CachedScan:
    """The scanner's result, from the cache if it holds that of this classifier and samples."""
    if cache is None:
        return CachedScan(result=scanner.scan(classifier, samples, progress), cached_seconds=None)
    return cache.scan(scanner, classifier, samples, progress, wait=wait)


def _without_triggers(judge: Judge, settings: ScanSettings) -> float:
    """Probability of a model without triggers: the judge's if it was fitted, else the settings'."""
    fitted = judge.probability_without_triggers
    return settings.probability_without_triggers if fitted is None else fitted


def _warnings(
    loading: Sequence[str], selection: SampleSelection, inconclusive: str
) -> tuple[str, ...]:
    """All warnings in order, the reason of an inconclusive verdict last."""
    reason = [f"inconclusive: {inconclusive}"] if inconclusive else []
    return (*loading, *selection.remarks, *reason)


def _seconds(marks: Sequence[float], cached: float | None) -> dict[str, float]:
    """Seconds per stage between the marks, and what a cached inversion once took."""
    stages = (after - before for before, after in itertools.pairwise(marks))
    seconds = dict(zip(("load", "inversion", "judgement"), stages, strict=True))
    earlier_inversion = {} if cached is None else {"kept_inversion": cached}
    return {**seconds, "total": marks[-1] - marks[0], **earlier_inversion}


def _tensors(samples: SampleSet, triggers: Sequence[JudgedTrigger]) -> Tensors:
    """What a report may draw of the triggers, by ``trigger_<index>/<name>``."""
    tensors: dict[str, NDArray[np.generic]] = {}
    for index, judged in enumerate(triggers):
        tensors |= trigger_images(index, samples, judged)
    return tensors
