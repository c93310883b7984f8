"""A finished run's summary, tables and report."""

import logging
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from exray.app.task_result import TaskResult
from exray.reports.console import render_summary
from exray.reports.html_report import REPORT_FILE, write_report
from exray.reports.markdown_report import REPORT_FILE as MARKDOWN_FILE
from exray.reports.markdown_report import report_markdown
from exray.reports.summaries import machine_line, summary_json
from exray.results.collection import Collection, collect, write_tables
from exray.results.records import ScanRecord
from exray.results.store import RUN_FILE, ResultStore
from exray.storage.atomic_files import replace_file, writing
from exray.storage.plain_json import to_json

logger = logging.getLogger(__name__)


_FILE_WIDTH = 120  # columns where stderr is a file or a pipe


def write_results(store: ResultStore, expected: Sequence[str], name: str) -> Collection:
    """Reads a run's records once and writes its tables, summary and report.

    They go to the store's mirror too, if it has one.

    Args:
        store: The run's records, of all shards.
        expected: Classifiers of all shards that should have one.
        name: The run's name, for the report's title.
    """
    with store.tables_lock(), writing(store.root):
        collection = collect(store, expected=expected)
        write_tables(collection, store.root)
        of_all = [scan.record for scan in collection.scans if scan.record.model_id in expected]
        replace_file(store.root / "summary.json", to_json(summary_json(of_all), indent=1))
        config = store.config()
        write_report(collection, store.root / REPORT_FILE, f"exray: {name}", config=config)
        markdown = report_markdown(collection, f"exray: {name}")
        replace_file(store.root / MARKDOWN_FILE, markdown.encode())
        if store.mirror is not None:
            for path in sorted(store.root.iterdir()):
                if path.is_file() and path.name[0] != "." and path.name != RUN_FILE:
                    store.mirror.publish_file(path)
    return collection


def publish(
    collection: Collection, model_ids: Sequence[str], root: Path, console: Console
) -> TaskResult:
    """Prints the summary of a finished run.

    Args:
        collection: As :func:`write_results` returns it.
        model_ids: The classifiers that this run was asked for, whose lines it prints.
        root: The run's folder.
        console: For the summary.
    """
    render_summary(collection, console)
    asked = set(model_ids) & set(collection.expected)
    records = [scan.record for scan in collection.scans if scan.record.model_id in asked]
    text = f"Report: {root / REPORT_FILE}   Records: {root}"
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    failed = any(record.status == "failed" for record in records)
    return TaskResult(lines=lines_of(records), status=int(failed or len(records) < len(model_ids)))


def stderr_console() -> Console:
    """Stderr; wide enough for the tables if it is no terminal."""
    console = Console(stderr=True)
    return console if console.is_terminal else Console(stderr=True, width=_FILE_WIDTH)


def lines_of(records: list[ScanRecord]) -> tuple[str, ...]:
    """One machine-readable line per classifier."""
    return tuple(machine_line(record) for record in records)
