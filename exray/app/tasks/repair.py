"""The task that repairs trojaned classifiers."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from exray.app.config import identity, run_id
from exray.app.hardware import use_threads
from exray.app.instantiate import built
from exray.app.progress import ScanProgress
from exray.app.publishing import stderr_console
from exray.app.run_folders import results_folder
from exray.app.task_result import TaskResult
from exray.app.tasks.scan import input_hash, own_name, run_labels, scan_pipeline
from exray.datasets.base import ModelDataset
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.model_selection import of_kinds
from exray.pipeline.sharding import shard_ids
from exray.presets.instantiate import keyed_errors
from exray.repair.base import RepairMethod
from exray.repair.model_repair import RepairPipeline, repair_model
from exray.repair.output import check_output
from exray.repair.selection import RepairSelection
from exray.repair.settings import RepairSettings
from exray.reports.repairs import render_repairs, repair_line
from exray.results.repairs import WEIGHTS_FILE, RepairRecord, RepairStore, repair_frame
from exray.results.store import ResultStore
from exray.scanners.neural_cleanse.scanner import NeuralCleanse
from exray.storage.atomic_files import replace_file
from exray.storage.plain_json import flatten

TABLE_FILE = "repairs.csv"
_STATUS = {"repaired": 0, "forced": 0, "nothing": 0, "refused": 1, "failed": 1}


def repair(config: DictConfig, cell: str = "") -> TaskResult:
    """Repairs every classifier of the dataset that has no finished record yet.

    Weights that are good enough go to ``repair.output``, or into the classifier's folder in the
    results; what was done is in ``repair.json`` there, and ``repairs.csv`` has a row of each.

    Args:
        config: The composed configuration; ``repair`` says how.
        cell: Folder of this cell within a sweep; empty for a single run.

    Raises:
        ValueError: If the configuration cannot be built, or the output is no new file.
        RecordError: If the results' folder holds another configuration's records.
    """
    console = stderr_console()
    source = built(config.dataset, ModelDataset)
    with keyed_errors("dataset", ("architecture", "factory", "root", "where")):
        source.check()
    pipeline = _pipeline(config)
    use_threads(config.trainer.threads)
    ids = built(config.repair.select, RepairSelection).chosen(
        source, of_kinds(source, config.kinds)
    )
    model_ids = shard_ids(ids, shard=config.shard, limit=config.limit)
    output = _output(config, model_ids)
    values = identity(config, input_hash(source, pipeline.scans))
    values |= {"repair": dict(pipeline.described)}
    labels = run_labels(config, source, run_id(values))
    name = config.name or f"{own_name(source)}_repair"
    folder = results_folder(config, name, cell)
    ResultStore(folder).claim(labels.run_id, flatten(values))
    run = _RepairRun(source, pipeline, labels, RepairStore(folder), method=config.repair.name)
    progress = ScanProgress(console, len(model_ids))
    with progress.shown():
        records = [run.record(model_id, output, progress) for model_id in model_ids]
    return _published(records, run.store, console)


class _RepairRun:
    """Repairs the classifiers of one run, one after the other."""

    def __init__(
        self,
        source: ModelDataset,
        pipeline: RepairPipeline,
        labels: RunLabels,
        store: RepairStore,
        *,
        method: str,
    ) -> None:
        self.source = source
        self.pipeline = pipeline
        self.labels = labels
        self.store = store
        self.method = method

    def record(self, model_id: str, output: Path | None, progress: ScanProgress) -> RepairRecord:
        """The classifier's finished record, or that of a repair made now."""
        progress.start(model_id)
        stored = None if output else self.store.find(model_id)
        is_final = stored is not None and not (self.pipeline.force and stored.status == "refused")
        record = (
            stored if stored is not None and is_final else self._new(model_id, output, progress)
        )
        progress.finish(repair_line(record).replace("\t", "  "))
        return record

    def _new(self, model_id: str, output: Path | None, progress: ScanProgress) -> RepairRecord:
        own_place = self.store.place(model_id) / WEIGHTS_FILE
        own_place.parent.mkdir(parents=True, exist_ok=True)
        if output is None:
            own_place.unlink(missing_ok=True)  # of a run that was killed before its record
        record = repair_model(
            self.source,
            model_id,
            self.pipeline,
            self.labels,
            method=self.method,
            output=output or own_place,
            progress=progress.stage,
        )
        self.store.write(record)
        return record


def _pipeline(config: DictConfig) -> RepairPipeline:
    """The method, and the scans around it."""
    values = cast("dict[str, object]", OmegaConf.to_container(config.repair, resolve=True))
    sizes = config.repair.sizes
    return RepairPipeline(
        method=built(config.repair.method, RepairMethod),
        settings=built(config.repair.settings, RepairSettings),
        scans=scan_pipeline(config),
        force=bool(config.repair.force),
        sizes=None if sizes is None else built(sizes.engine, NeuralCleanse),
        all_pairs=bool(config.repair.all_pairs),
        described={
            key: values[key] for key in ("name", "method", "settings", "sizes", "all_pairs")
        },
    )


def _output(config: DictConfig, model_ids: Sequence[str]) -> Path | None:
    """Where the weights go if the user says so, checked; None for the results' folder."""
    if config.repair.output is None:
        return None
    if len(model_ids) != 1:
        raise ValueError(
            f"repair.output is a file for one classifier, and there are {len(model_ids)}; leave it "
            "out, and each goes into its own folder in the results"
        )
    path = Path(config.repair.output)
    check_output(path, "repair.output")
    return path


def _published(records: list[RepairRecord], store: RepairStore, console: Console) -> TaskResult:
    """The summary on the console, the table, and a line per classifier."""
    content = repair_frame(store.records()).to_csv(index=False, lineterminator="\n")
    replace_file(store.root / TABLE_FILE, content.encode())
    render_repairs(records, console)
    console.print(f"Records: {store.root}", highlight=False, markup=False, soft_wrap=True)
    return TaskResult(
        lines=tuple(repair_line(record) for record in records),
        status=max((_STATUS[record.status] for record in records), default=0),
    )
