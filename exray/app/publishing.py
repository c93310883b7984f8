"""A finished run's summary, tables and report."""

import logging
from collections.abc import Sequence

from rich.console import Console

from exray.app.task_result import TaskResult
from exray.reports.console import render_summary
from exray.reports.html_report import write_report
from exray.reports.summaries import machine_line, summary_json
from exray.results.collection import collect, write_tables
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.storage.atomic_files import replace_file
from exray.storage.plain_json import to_json

logger = logging.getLogger(__name__)


_FILE_WIDTH = 120  # columns where stderr is a file or a pipe


def publish(
    store: ResultStore,
    expected: Sequence[str],
    wanted: tuple[str, ...],
    name: str,
    console: Console,
) -> TaskResult:
    """Summary, tables, report and files of a finished run, whatever the logger.

    The files are of all shards' classifiers, the lines of those that this run was asked for.
    """
    report = store.root / "report.html"
    with store.tables_lock():
        collection = collect(store, expected=expected)
        write_tables(collection, store.root)
        of_all = [scan.record for scan in collection.scans if scan.record.model_id in expected]
        replace_file(store.root / "summary.json", to_json(summary_json(of_all), indent=1))
        write_report(store, report, f"exray: {name}", expected=expected)
    render_summary(collection, console)
    records = [record for record in of_all if record.model_id in wanted]
    console.print(f"Report: {report}   Records: {store.root}", highlight=False, soft_wrap=True)
    failed = any(record.status == "failed" for record in records)
    return TaskResult(lines=lines_of(records), status=int(failed or len(records) < len(wanted)))


def stderr_console() -> Console:
    """Stderr; wide enough for the tables where it is no terminal."""
    console = Console(stderr=True)
    return console if console.is_terminal else Console(stderr=True, width=_FILE_WIDTH)


def lines_of(records: list[ScanRecord]) -> tuple[str, ...]:
    """One machine-readable line a classifier."""
    return tuple(machine_line(record) for record in records)
