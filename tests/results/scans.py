"""Scans as a run stores them, for tests of what is made of them."""

from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict


def scan(model_id, status="done", error_line=""):
    """A model's scan without triggers, done or failed."""
    verdict = Verdict.CLEAN if status == "done" else Verdict.FAILED
    record = ScanRecord(
        model_id=model_id,
        run_id="r",
        status=status,
        verdict=verdict,
        probability=0.1,
        error_line=error_line,
    )
    return ModelScan(record=record)
