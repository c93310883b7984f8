"""What a command line's scans came to, as a document in the format that it asks for."""

import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from exray.app.scan_command import ModelRun
from exray.reports.html_report import REPORT_FILE, report_page
from exray.reports.sarif import sarif_log
from exray.reports.scan_outcomes import ScanOutcome, outcomes_json
from exray.results.collection import collection_of
from exray.results.store import ResultStore
from exray.storage.plain_json import to_json


def document(runs: Sequence[ModelRun], form: str, *, status: int) -> bytes:
    """The models' records as a document.

    Args:
        runs: Of each model.
        form: ``json``, ``sarif`` or ``html``.
        status: The exit status.
    """
    outcomes = [_outcome(run) for run in runs]
    command = shlex.join(sys.argv)
    if form == "json":
        values = outcomes_json(outcomes, status=status, version=_version(), command=command)
        return to_json(values, indent=1)
    if form == "sarif":
        log = sarif_log(
            outcomes, status=status, version=_version(), command=command, root=Path.cwd()
        )
        return to_json(log, indent=1)
    scans = [outcome.scan for outcome in outcomes if outcome.scan is not None]
    unscanned = [outcome.file for outcome in outcomes if outcome.scan is None]
    expected = [*(scan.record.model_id for scan in scans), *unscanned]
    title = expected[0] if len(expected) == 1 else f"{len(expected)} models"
    return report_page(collection_of(scans, expected), f"exray: {title}").encode()


def _outcome(run: ModelRun) -> ScanOutcome:
    if run.folder is None:
        return ScanOutcome(file=run.file, scan=None, mistake=run.mistake)
    model_id = run.line.partition("\t")[0]
    scan = ResultStore(run.folder).read(model_id)
    return ScanOutcome(file=run.file, scan=scan, report=str(run.folder / REPORT_FILE))


def _version() -> str:
    try:
        return version("exray")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"
