"""Lightning's loggers: CSV, TensorBoard, MLflow."""

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, cast, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from exray.evaluation.metrics import Statistics
from exray.extras import import_extra
from exray.reports.loggers.base import RunLogger
from exray.reports.loggers.rows import model_row, numbers_of, trigger_row
from exray.reports.mask_images import mask_strip, shrink
from exray.reports.summaries import figures_of, summary_of
from exray.reports.trigger_cards import IMAGES, images_of, masks_of, tensors_of
from exray.results.collection import Collection
from exray.results.model_scan import ModelScan
from exray.storage.plain_json import flatten, plain
from exray.text import markdown_table

Kind = Literal["csv", "tensorboard", "mlflow"]
LONGEST_PIXELS = 224
_ENDS = re.compile(r"/(low|high)$")
SHOWN_COLUMNS = 9  # of the table of triggers as text; the file of it has all


@runtime_checkable
class _Logger(Protocol):
    """What is used of Lightning's loggers, which are not imported here: they bring torch."""

    def log_hyperparams(self, params: Mapping[str, str]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None: ...

    def save(self) -> None: ...

    def finalize(self, status: str) -> None: ...


class _Board(Protocol):
    """What is used of TensorBoard's writer."""

    def add_image(
        self, tag: str, img_tensor: NDArray[np.generic], global_step: int, *, dataformats: str
    ) -> None: ...

    def add_text(self, tag: str, text_string: str, global_step: int) -> None: ...


class _TensorBoard(Protocol):
    """What TensorBoard's logger has besides."""

    experiment: _Board


class _Csv(Protocol):
    """What the CSV logger has besides."""

    log_dir: str


class _Client(Protocol):
    """What is used of MLflow's client."""

    def log_image(self, run_id: str, image: NDArray[np.generic], artifact_file: str) -> None: ...

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None: ...


class _MLflow(Protocol):
    """What MLflow's logger has besides."""

    experiment: _Client
    run_id: str


class LightningLogger(RunLogger):
    """A step per model, the triggers with their pictures, the figures at the end.

    The names are those of ``logger=wandb``: ``probability``, ``num_injected``, ``seconds/total``,
    ``strongest/similarity``, and at the end ``judge/accuracy`` and the like. ``failed`` is 1 of a
    model whose scan failed. Nothing leaves the machine.

    Args:
        kind: ``csv`` writes ``metrics.csv``, ``triggers.csv`` and ``models.csv``; ``tensorboard``
            an event file with pictures and both tables; ``mlflow`` a run in a local store, where an
            interval's end is ``judge/accuracy.low``.
        directory: The run's folder; all goes below it.
        name: The run's name.
        group: Runs that belong together, a sweep for one: MLflow's experiment.
        config: The configuration, nested or by dotted key.
        tags: Words to find the run by.
        job_type: What runs are compared by, the judge for one.
        key: Not used: a run that goes on gets a new log beside the old.

    Raises:
        ValueError: If the kind is none of the three, or its library is not installed.
    """

    def __init__(
        self,
        *,
        kind: str,
        directory: Path,
        name: str,
        group: str = "",
        config: Mapping[str, object] | None = None,
        tags: Sequence[str] = (),
        job_type: str = "",
        key: str = "",
    ) -> None:
        del key
        if kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}; got {kind!r}")
        self.kind = cast("Kind", kind)
        self._logger = _logger(self.kind, directory, name, group or "exray", tags, job_type)
        values = {key: str(plain(value)) for key, value in flatten(config or {}).items()}
        self._logger.log_hyperparams(values)
        self._step = 0
        self._triggers: list[dict[str, object]] = []

    def log_model(self, scan: ModelScan) -> None:
        """Log the model's numbers and keep its triggers for the table."""
        row = model_row(scan.record, scan.triggers)
        numbers = numbers_of(row) | {"failed": float(scan.record.status == "failed")}
        self._logger.log_metrics(numbers, step=self._step)
        for trigger in scan.triggers:
            self._triggers.append(trigger_row(scan.record, trigger))
            own = tensors_of(scan.tensors, trigger.index)
            drawn = images_of(own, tuple(name for name, _ in IMAGES))
            pictures = {name: shrink(image, LONGEST_PIXELS) for name, image in drawn.items()}
            pictures |= {name: mask_strip(mask) for name, mask in masks_of(own).items()}
            for name, picture in pictures.items():
                place = f"{scan.record.model_id}/trigger_{trigger.index}/{name}"
                self._log_picture(place, np.asarray(picture))
        self._step += 1

    def finish(self, collection: Collection | None) -> None:
        """Write the tables and the figures; a run with failed or missing models is a failed one."""
        failed = collection is None or bool(collection.failed or collection.missing)
        try:
            if self._triggers:
                self._log_table("triggers", self._triggers)
            if collection is not None:
                models = [scan.record for scan in collection.scans]
                rows = [
                    {**model_row(record, ()), "error_line": record.error_line} for record in models
                ]
                self._log_table("models", rows)
                self._log_figures(summary_of(collection))
            self._logger.save()
        except BaseException:
            failed = True
            raise
        finally:
            self._logger.finalize("failed" if failed else "success")

    def finish_comparison(self, ways: Mapping[str, Statistics], *, is_complete: bool) -> None:
        """Write every way's figures and a table of them."""
        failed = True
        try:
            rows = [
                {"way": name, **{key: estimate.value for key, estimate in own.estimates.items()}}
                for name, own in ways.items()
            ]
            self._log_table("figures", rows)
            self._log_figures(figures_of(ways))
            self._logger.save()
            failed = not is_complete
        finally:
            self._logger.finalize("failed" if failed else "success")

    def _log_figures(self, figures: dict[str, object]) -> None:
        numbers = numbers_of(figures)
        if self.kind == "mlflow":  # names are paths, so judge/TP cannot hold another
            numbers = {_ENDS.sub(r".\1", name): value for name, value in numbers.items()}
        self._logger.log_metrics(numbers, step=self._step)

    def _log_picture(self, place: str, picture: NDArray[np.generic]) -> None:
        if self.kind == "tensorboard":
            board = cast("_TensorBoard", self._logger).experiment
            board.add_image(place, picture, self._step, dataformats="HWC")
        elif self.kind == "mlflow":
            logger = cast("_MLflow", self._logger)
            logger.experiment.log_image(logger.run_id, picture, f"{place}.png")

    def _log_table(self, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        if self.kind == "tensorboard":
            cells = [[_cell(row.get(column)) for column in columns[:SHOWN_COLUMNS]] for row in rows]
            shown = markdown_table(columns[:SHOWN_COLUMNS], cells)
            cast("_TensorBoard", self._logger).experiment.add_text(name, shown, self._step)
        elif self.kind == "mlflow":
            logger = cast("_MLflow", self._logger)
            logger.experiment.log_text(logger.run_id, text.getvalue(), f"{name}.csv")
        else:
            place = Path(cast("_Csv", self._logger).log_dir)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{name}.csv").write_text(text.getvalue(), encoding="utf-8")


def _logger(
    kind: Kind, directory: Path, name: str, group: str, tags: Sequence[str], job_type: str
) -> _Logger:
    loggers = import_extra("pytorch_lightning.loggers", extra="all", purpose="this logger")
    made: _Logger
    if kind == "csv":
        made = loggers.CSVLogger(directory, name="log")
    elif kind == "tensorboard":
        purpose = "logging to TensorBoard"
        import_extra("tensorboard.summary", extra="tensorboard", purpose=purpose)
        made = loggers.TensorBoardLogger(directory, name="tensorboard", default_hp_metric=False)
    else:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 asks for a database
        import_extra("mlflow.tracking", extra="mlflow", purpose="logging to MLflow")
        store = (directory / "mlruns").absolute()
        labels = {"judge": job_type, "tags": ", ".join(tags)}
        made = loggers.MLFlowLogger(
            experiment_name=group, run_name=name, tracking_uri=store.as_uri(), tags=labels
        )
    return made


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "/").replace("\n", " ")
