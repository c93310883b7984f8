"""exray as a library: a classifier and clean images in, a verdict with its evidence out."""

import hashlib
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
import torch
from torch import nn

from exray.api_inputs import (
    FileOptions,
    given_model,
    make_judge,
    make_scanner,
    moved,
    scan_parts,
)
from exray.images.loading import load_samples
from exray.images.samples import SampleSet
from exray.judges.base import Judge, JudgedTrigger
from exray.models.classifier import Classifier, Preprocessing
from exray.models.loading import load_classifier
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.provenance import path_sha256
from exray.pipeline.scan import scan_classifier
from exray.pipeline.settings import ScanSettings
from exray.presets.presets import component_named
from exray.reports.html_report import write_report
from exray.results.collection import Collection, collection_of, write_tables
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict
from exray.scanners.base import Progress, Scanner

__all__ = [
    "Classifier",
    "FileOptions",
    "Preprocessing",
    "SampleSet",
    "ScanReport",
    "Verdict",
    "load_classifier",
    "load_samples",
    "make_judge",
    "make_scanner",
    "scan",
]

REPORT_FILE = "report.html"
_SHOWN_COLUMNS = ("victim_name", "target_name", "asr", "size_pixels", "is_injected", "score")


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanReport:
    """What a scan says about one classifier, with its evidence.

    Args:
        model_scan: The scan as it is stored: the record, its triggers and their images.
        triggers: The triggers with their judgements, in the scanner's order; a trigger's ``apply``
            stamps it on images.
        config: What it was scanned with, by name.
    """

    model_scan: ModelScan
    triggers: tuple[JudgedTrigger, ...]
    config: dict[str, object]

    @property
    def record(self) -> ScanRecord:
        """Everything that is stored about the classifier itself."""
        return self.model_scan.record

    @property
    def verdict(self) -> Verdict:
        """``clean``, ``natural-only``, ``trojaned`` or ``inconclusive``."""
        return self.record.verdict

    @property
    def probability(self) -> float:
        """Probability of being trojaned, in [0, 1]; a rank only where the judge is uncalibrated."""
        return self.record.probability

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the clean images, a fraction."""
        return self.record.clean_accuracy

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know about this verdict, one sentence each."""
        return tuple(self.record.warnings)

    def to_frame(self) -> pd.DataFrame:
        """One row per trigger, as in ``triggers.csv``: ``m_`` measurements, ``t_`` thresholds."""
        return self._collection().triggers

    def to_html(self, path: str | Path) -> Path:
        """Writes the report as one self-contained page.

        Args:
            path: The file; replaced if it exists.

        Returns:
            The file.
        """
        place = Path(path)
        title = f"exray: {self.record.model_id}"
        write_report(self._collection(), place, title, config=self.config)
        return place

    def save(self, folder: str | Path) -> ResultStore:
        """Stores the scan as the command line does: records, tables, tensors, ``report.html``.

        Args:
            folder: Made if it does not exist. Several scans of one configuration may share it.

        Raises:
            RecordError: If the folder holds another configuration's records, or this model's.
        """
        store = ResultStore(Path(folder))
        store.claim(self.record.run_id, self.config)
        store.write(self.model_scan)
        scans = collection_of([store.read(model_id) for model_id in store.model_ids()])
        write_tables(scans, store.root)
        write_report(scans, store.root / REPORT_FILE, "exray", config=self.config)
        return store

    def _collection(self) -> Collection:
        return collection_of([self.model_scan])

    def __str__(self) -> str:
        injected = f"{self.record.num_injected} of {len(self.triggers)} triggers injected"
        return f"{self.verdict} ({self.probability:.2f}), {injected}"

    def _repr_html_(self) -> str:
        """The verdict and a table of the triggers, for notebooks."""
        remarks = "".join(f"<li>{html.escape(remark)}</li>" for remark in self.remarks)
        frame = self.to_frame()
        table = frame[list(_SHOWN_COLUMNS)].to_html(index=False) if len(frame) else ""
        return f"<p><b>{html.escape(str(self))}</b></p>{table}<ul>{remarks}</ul>"


def scan(
    classifier: Classifier | nn.Module | str | Path,
    samples: object,
    *,
    scanner: str | Scanner = "portfolio",
    judge: str | Judge = "exray_calibrated",
    layer: str = "middle",
    settings: ScanSettings | None = None,
    preprocessing: Preprocessing | None = None,
    options: FileOptions | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> ScanReport:
    """Inverts triggers of a classifier, judges them, and says whether it is trojaned.

    The defaults are those of the command ``exray scan``, so both give the same verdict.

    Args:
        classifier: A :func:`load_classifier`'s result, a network in memory that takes images in
            [0, 1] and gives one logit per class (the caller's own is left as it is), or a file or
            hub's folder, which says by itself which network it holds, or ``options`` does.
        samples: Clean images that the classifier knows, a few of every class: a folder, a
            :class:`SampleSet`, a pair of tensors (images, labels), a ``DataLoader`` or a dataset of
            (image, label).
        scanner: Its name in ``conf/scanner``, or what :func:`make_scanner` made.
        judge: Its name in ``conf/judge``, or what :func:`make_judge` made.
        layer: Where judge and scanner cut the network, if they are named.
        settings: Minimum accuracies and sample counts; None for those of ``conf/scan``.
        preprocessing: What happens to images before a network in memory or in a file; None for
            what the file's publisher declares, or nothing. A :class:`Classifier` has its own.
        options: How files are read, as the flags of the command ``exray scan`` say it.
        seed: Of all random choices.
        device: Where to scan; None stays where the network is.
        name: What the report calls the classifier; None for the network's own name.
        progress: Called with the stage's name, the steps done and the steps in all.

    Raises:
        CheckpointError: If a file is no checkpoint, would run code, or says not which network it
            holds.
        TypeError: If the samples are of no known kind.
        ValueError: If classifier and samples do not fit, a name or value is not known, or a
            classifier with a preprocessing of its own is given another.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> images, labels = torch.rand(8, 3, 2, 2), torch.tensor([0, 1] * 4)
        >>> scan(network, (images, 1 - network(images).argmax(dim=1))).verdict
        <Verdict.INCONCLUSIVE: 'inconclusive'>
    """
    model = given_model(classifier, samples, preprocessing, options)
    chosen = model.classifier
    labels = _labels(scanner, judge, layer, seed)
    own_scanner, own_judge = scan_parts(scanner, judge, layer=layer, seed=seed)
    with moved(chosen, device):
        finding = scan_classifier(
            chosen,
            model.samples,
            own_scanner,
            own_judge,
            settings or cast(ScanSettings, component_named("scan", "default")),
            warnings=model.warnings,
            seed=seed,
            progress=progress,
            files=model.files,
        )
    stored = finding.model_scan(
        labels,
        model_id=_model_id(name or chosen.name),
        architecture=chosen.name,
        file_report=chosen.file_report,
        model_sha256=path_sha256(Path(classifier)) if isinstance(classifier, str | Path) else "",
    )
    config = {key: value for key, value in vars(labels).items() if key != "run_id"}
    return ScanReport(model_scan=stored, triggers=finding.triggers, config=config)


def _labels(scanner: str | Scanner, judge: str | Judge, layer: str, seed: int) -> RunLabels:
    """What the record says of the run: names, and a hash of them."""
    values: dict[str, object] = {
        "dataset": "memory",
        "scanner": scanner if isinstance(scanner, str) else type(scanner).__name__,
        "judge": judge if isinstance(judge, str) else type(judge).__name__,
        "layer": layer if isinstance(judge, str) else getattr(judge, "layer", ""),
        "seed": seed,
    }
    text = json.dumps(values, sort_keys=True)
    run_id = hashlib.sha256(text.encode()).hexdigest()[:16]
    return RunLabels(run_id=run_id, **values)  # type: ignore[arg-type]


def _model_id(name: str) -> str:
    """The name as a folder may be called."""
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".") or "classifier"
