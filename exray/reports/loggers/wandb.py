"""Where a run reports to while it goes: Weights & Biases, or nowhere."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from exray.evaluation.metrics import METRICS, Statistics
from exray.extras import import_extra
from exray.reports.loggers.base import RunLogger
from exray.reports.loggers.rows import model_row, trigger_row
from exray.reports.mask_images import mask_strip, shrink
from exray.reports.summaries import figures_of, summary_of, ways_of
from exray.reports.trigger_cards import IMAGES, MASKS, images_of, masks_of, tensors_of
from exray.results.collection import Collection
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord, TriggerRecord
from exray.storage.plain_json import flatten, plain

if TYPE_CHECKING:
    import wandb


LONGEST_PIXELS = 224
CHARTED = "balanced accuracy"  # the figure of the bars


MODEL_COLUMNS = (
    "model_id",
    "status",
    "verdict",
    "is_trojaned",
    "scanner_flags",
    "probability",
    "num_triggers",
    "num_injected",
    "error_line",
)


Mode = Literal["offline", "online", "disabled"]


TABLE_COLUMNS = (
    "model_id",
    "verdict",
    "victim",
    "target",
    "is_injected",
    "score",
    "asr",
    "size_pixels",
    "reason",
)


class WandbLogger(RunLogger):
    """One Weights & Biases run: a step per model, a table of all models, one of all triggers.

    Its summary holds the judge's figures against ground truth, and the scanner's alone, under the
    same names in every run, so that the cells of a sweep are compared on one dashboard: group runs
    by job type, which is the judge. One chart shows scanner alone and judge.

    Offline it needs no network and no account: the run lies under ``directory/wandb``; look at it
    with ``wandb leet``, or send it later with ``wandb sync``. The run counts as failed if a model
    failed or is missing, or if the job broke off.

    Args:
        directory: Where the run's files go; ``WANDB_DIR`` while the run lasts.
        project: The project's name.
        name: The run's name.
        group: Runs that belong together, a sweep for one; may be empty.
        mode: ``offline``, ``online`` or ``disabled``.
        config: The configuration, nested or by dotted key.
        tags: Words to find the run by.
        job_type: What runs are compared by, the judge for one; may be empty.
        key: The same key makes the same run: a cell that goes on after a kill, and logs all its
            models anew, takes the place of what was sent before. Empty for a run of its own.

    Raises:
        ValueError: If the mode is none of the three.
    """

    def __init__(
        self,
        directory: Path,
        project: str,
        name: str,
        *,
        group: str = "",
        mode: str = "offline",
        config: Mapping[str, object] | None = None,
        tags: Sequence[str] = (),
        job_type: str = "",
        key: str = "",
    ) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}; got {mode!r}")
        checked = cast("Mode", mode)
        directory.mkdir(parents=True, exist_ok=True)
        self._rows: list[dict[str, object]] = []
        self._cleanup = contextlib.ExitStack()
        self._cleanup.enter_context(_wandb_folders(directory, checked))
        try:
            self._run = _start_run(
                directory,
                dict(flatten(config or {})),
                checked,
                project=project,
                name=name,
                group=group or None,
                tags=list(tags),
                job_type=job_type or None,
                key=hashlib.sha256(key.encode()).hexdigest()[:16] if key else None,
            )
        except BaseException:
            self._cleanup.close()
            raise

    def log_model(self, scan: ModelScan) -> None:
        """Log the model's verdict, its strongest trigger's measurements, and keep its images."""
        self._run.log(model_row(scan.record, scan.triggers))
        for trigger in scan.triggers:
            self._rows.append(_table_row(scan.record, trigger, scan.tensors))

    def finish(self, collection: Collection | None) -> None:
        """Write the tables and the figures; mark a failed run as failed."""
        failed = collection is None or bool(collection.failed or collection.missing)
        try:
            if self._rows:
                self._run.log({"triggers": _table(self._rows)})
            if collection is not None:
                ways = ways_of(collection)
                self._run.log({"models": _model_table(collection), **_comparison(ways)})
                self._run.summary.update(summary_of(collection, ways))
        except BaseException:
            failed = True
            raise
        finally:
            self._run.finish(exit_code=int(failed))
            self._cleanup.close()

    def finish_comparison(self, ways: Mapping[str, Statistics], *, is_complete: bool) -> None:
        """Draw all ways as bars of one chart, with their figures in a table and the summary."""
        failed = True
        try:
            self._run.log(_comparison(ways))
            self._run.summary.update(figures_of(ways))
            failed = not is_complete
        finally:
            self._run.finish(exit_code=int(failed))
            self._cleanup.close()


def _start_run(
    directory: Path,
    config: dict[str, object],
    mode: Mode,
    *,
    project: str,
    name: str,
    group: str | None,
    tags: list[str],
    job_type: str | None,
    key: str | None,
) -> "wandb.Run":
    library = import_extra("wandb", extra="wandb", purpose="logging to Weights & Biases")
    run = library.init(
        id=key,
        dir=directory,
        project=project,
        name=name,
        group=group,
        job_type=job_type,
        mode=mode,
        config={name: plain(value) for name, value in config.items()},
        tags=tags,
        reinit="create_new",
        settings=library.Settings(console="off", silent=True, x_disable_stats=True),
    )
    return cast("wandb.Run", run)


def _model_table(collection: Collection) -> "wandb.Table":
    """A row per model: the verdict beside the truth."""
    import wandb

    rows = [
        [plain(getattr(scan.record, name)) for name in MODEL_COLUMNS] for scan in collection.scans
    ]
    return wandb.Table(columns=list(MODEL_COLUMNS), data=rows)


def _comparison(ways: Mapping[str, Statistics]) -> dict[str, object]:
    """One chart of all ways of deciding, over a table of their figures; none without ways."""
    import wandb

    if not ways:
        return {}
    rows = [
        [name, *(plain(statistics.estimates[figure].value) for figure in METRICS)]
        for name, statistics in ways.items()
    ]
    table = wandb.Table(columns=["way", *METRICS], data=rows)
    title = "Scanner alone against judges"
    return {"scanner_against_judges": wandb.plot.bar(table, "way", CHARTED, title=title)}


def _table_row(
    record: ScanRecord, trigger: TriggerRecord, tensors: Mapping[str, NDArray[np.generic]]
) -> dict[str, object]:
    import wandb

    own = tensors_of(tensors, trigger.index)
    images = images_of(own, tuple(name for name, _ in IMAGES))
    drawn = {name: shrink(image, LONGEST_PIXELS) for name, image in images.items()}
    drawn |= {name: mask_strip(mask) for name, mask in masks_of(own).items()}
    pictures = {name: wandb.Image(image) for name, image in drawn.items()}
    return {**trigger_row(record, trigger), **pictures}


def _table(rows: Sequence[Mapping[str, object]]) -> "wandb.Table":
    import wandb

    drawn = [name for name, *_ in (*IMAGES, *MASKS) if any(name in row for row in rows)]
    measured = sorted({name for row in rows for name in row} - {*TABLE_COLUMNS, *drawn})
    columns = [*TABLE_COLUMNS, *drawn, *measured]
    return wandb.Table(columns=columns, data=[[row.get(name) for name in columns] for row in rows])


@contextlib.contextmanager
def _wandb_folders(directory: Path, mode: Mode) -> Iterator[None]:
    """What wandb writes goes below ``directory`` for a while; an online run keeps its login."""
    home = directory / "wandb" / ".home"
    values = {"WANDB_DIR": directory, "WANDB_DATA_DIR": home / "data"}
    if mode != "online":
        values |= {"WANDB_CACHE_DIR": home / "cache", "WANDB_CONFIG_DIR": home / "config"}
    before = {name: os.environ.get(name) for name in values}
    os.environ.update({name: str(path.absolute()) for name, path in values.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
