"""Scans of one command line together."""

from exray.reports.scan_outcomes import ScanOutcome, outcomes_json
from exray.rules.verdict import Verdict


def test_a_model_that_was_not_scanned_counts_as_failed():
    outcome = ScanOutcome(file="m.pt", scan=None, mistake="FILE must be a file")
    assert outcome.verdict is Verdict.FAILED
    values = outcomes_json([outcome], status=2, version="0.1.0", command="c")
    assert values["models"] == [
        {"file": "m.pt", "verdict": "failed", "probability": None, "error": "FILE must be a file"}
    ]
