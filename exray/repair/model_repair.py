"""Repair of one model of a dataset: what is recorded of it, and its weights if they are good."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from exray.datasets.base import LoadedModel, ModelDataset
from exray.images.samples import SampleSet
from exray.models.checkpoints.reader import file_sha256
from exray.models.classifier import Classifier
from exray.pipeline.classifier_scan import ClassifierScan, RunLabels
from exray.pipeline.scan import Pipeline, scan_classifier
from exray.repair.base import RepairMethod
from exray.repair.loop import NothingToRepairError, Repair, repair_in_rounds
from exray.repair.output import write_weights
from exray.repair.recording import (
    pair_size_records,
    provenance,
    stage_record,
    unlearned_records,
)
from exray.repair.settings import RepairSettings
from exray.repair.true_triggers import true_figures, unseen
from exray.results.repairs import PairSizeRecord, RepairRecord
from exray.scanners.base import Progress
from exray.scanners.neural_cleanse.scanner import NeuralCleanse


@dataclass(frozen=True, kw_only=True)
class RepairPipeline:
    """What repairs a classifier.

    Args:
        method: Changes the weights.
        settings: Rounds and bars.
        scans: Scanner, judge and settings of the scans, and the device.
        force: Whether weights are written that are not good enough.
        described: The method and its settings as plain values, for the weights' provenance.
        sizes: How the smallest patches of the unlearned triggers' pairs are searched, before and
            after; None for no search.
        all_pairs: Whether those of all pairs of classes are searched, too.

    Raises:
        ValueError: If all pairs are to be searched, and there is no search.
    """

    method: RepairMethod
    settings: RepairSettings
    scans: Pipeline
    force: bool
    described: Mapping[str, object]
    sizes: NeuralCleanse | None = None
    all_pairs: bool = False

    def __post_init__(self) -> None:
        if self.all_pairs and self.sizes is None:
            raise ValueError(
                "all_pairs needs sizes, which says how patches are searched; give "
                "+scanner@repair.sizes=neural_cleanse repair.sizes.engine.kind=pairs"
            )

    def repair(self, model: LoadedModel, *, seed: int, progress: Progress | None) -> Repair:
        """Repairs a copy of a model's classifier.

        Args:
            model: The classifier and its clean images; moved to the device.
            seed: Of the repair and of the scans.
            progress: Called with the stage's name, the steps done and the steps in all.

        Raises:
            NothingToRepairError: If the scan finds nothing to unlearn.
            ValueError: If there are too few images, or the network cannot learn.
        """
        model.classifier.network.to(self.scans.device)

        def scan(classifier: Classifier, samples: SampleSet) -> ClassifierScan:
            return scan_classifier(
                classifier,
                samples,
                self.scans.scanner,
                self.scans.judge,
                self.scans.settings,
                cache=self.scans.cache,
                seed=seed,
                progress=progress,
            )

        return repair_in_rounds(
            model.classifier,
            model.samples.to(self.scans.device),
            self.method,
            self.settings,
            scan,
            seed=seed,
            progress=progress,
        )


def repair_model(
    source: ModelDataset,
    model_id: str,
    pipeline: RepairPipeline,
    labels: RunLabels,
    *,
    method: str,
    output: Path,
    progress: Progress | None = None,
) -> RepairRecord:
    """The record of one model's repair; its weights are written if they are good, or by force.

    A failure is a failed record.

    Args:
        source: Loads the model and, after the repair, gives what is known of its truth.
        model_id: Which one.
        pipeline: Method, scans and bars.
        labels: What the record says about its run.
        method: What it says of the method.
        output: Where the weights go; a file that does not exist.
        progress: Called with the stage's name, the steps done and the steps in all.
    """
    start = time.perf_counter()
    blank = RepairRecord(
        model_id=model_id,
        run_id=labels.run_id,
        status="failed",
        method=method,
        dataset=labels.dataset,
        scanner=labels.scanner,
        judge=labels.judge,
        seed=labels.seed,
    )
    try:
        record = _repaired(blank, source, pipeline, output, progress)
    except Exception as error:  # a failure is a record; the other models go on
        line = " ".join(str(error).split()) or type(error).__name__
        record = replace(blank, reasons=[line])
    return replace(record, seconds=time.perf_counter() - start)


def _repaired(
    blank: RepairRecord,
    source: ModelDataset,
    pipeline: RepairPipeline,
    output: Path,
    progress: Progress | None,
) -> RepairRecord:
    """The record of a repair that came to an end."""
    model = source.load(blank.model_id)
    named = replace(blank, architecture=model.architecture)
    try:
        repair = pipeline.repair(model, seed=blank.seed, progress=progress)
    except NothingToRepairError as nothing:
        record = replace(named, status="nothing", reasons=[str(nothing)])
        return _with_truth(record, source)
    good = not repair.obstacles
    record = replace(
        _measured(named, repair, source, pipeline),
        status="repaired" if good else "forced" if pipeline.force else "refused",
        reasons=list(repair.obstacles),
    )
    record = _with_true_figures(record, repair, model, source)
    if record.status == "refused":
        return record
    origin = _origin(record, source, pipeline)
    values = {**origin, **provenance(repair, record.unlearned)}
    write_weights(repair.after.classifier, output, values, repair.images.held_out.images)
    return replace(record, weights=str(output))


def _measured(
    record: RepairRecord, repair: Repair, source: ModelDataset, pipeline: RepairPipeline
) -> RepairRecord:
    """The record with what held-out images show, and the truth."""
    measured = replace(
        record,
        num_learned=len(repair.images.learned),
        num_held_out=len(repair.images.held_out),
        before=stage_record(repair.before),
        after=stage_record(repair.after),
        rounds=[stage_record(stage) for stage in repair.rounds],
        unlearned=unlearned_records(repair, source.truth(record.model_id), pipeline.sizes),
        pair_sizes=_pair_sizes(repair, pipeline),
        num_natural=len(repair.natural),
    )
    return _with_truth(measured, source)


def _pair_sizes(repair: Repair, pipeline: RepairPipeline) -> list[PairSizeRecord]:
    """Smallest patches between all pairs, if they are asked for."""
    if not pipeline.all_pairs or pipeline.sizes is None:
        return []
    return pair_size_records(repair, pipeline.sizes)


def _with_truth(record: RepairRecord, source: ModelDataset) -> RepairRecord:
    """The record with what is known of the truth, joined after the repair."""
    truth = source.truth(record.model_id)
    if truth is None:
        return record
    return replace(
        record,
        is_trojaned=truth.is_trojaned,
        trigger_kind=truth.kind,
        trigger_reach=str(truth.details.get("trigger_reach") or ""),
    )


def _with_true_figures(
    record: RepairRecord, repair: Repair, model: LoadedModel, source: ModelDataset
) -> RepairRecord:
    """The record with test accuracy and the true triggers' ASR, where they are known."""
    test = source.attack_test(record.model_id)
    if test is None:
        return record
    test = unseen(test, model.samples)
    before = true_figures(repair.before.classifier, test)
    after = true_figures(repair.after.classifier, test)
    return replace(
        record,
        true_accuracy_before=before.accuracy,
        true_accuracy_after=after.accuracy,
        true_asr_before=before.asr,
        true_asr_after=after.asr,
    )


def _origin(
    record: RepairRecord, source: ModelDataset, pipeline: RepairPipeline
) -> dict[str, object]:
    """Where repaired weights come from: the file, the method and its values."""
    file = source.model_file(record.model_id)
    try:
        own_version = version("exray")
    except PackageNotFoundError:  # run from a folder that was never installed
        own_version = "unknown"
    return {
        "exray_version": own_version,
        "from_file": file.name,
        "from_sha256": file_sha256(file),
        "architecture": record.architecture,
        "forced": record.status == "forced",
        "scanner": record.scanner,
        "judge": record.judge,
        "seed": record.seed,
        **pipeline.described,
    }
