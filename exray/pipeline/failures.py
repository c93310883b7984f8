"""Failed records: what a run says of a classifier that could not be scanned."""

import math
from collections.abc import Mapping

from exray.pipeline.classifier_scan import RunLabels
from exray.results.model_scan import ModelScan
from exray.results.provenance import Provenance
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict


def failed_scan(
    model_id: str,
    labels: RunLabels,
    *,
    reason: str,
    seconds: float,
    traceback: str = "",
    file_report: Mapping[str, str | int] | None = None,
    provenance: Provenance | None = None,
) -> ModelScan:
    """The scan of a classifier that failed, without triggers.

    Args:
        model_id: The classifier.
        labels: What the record says about its run.
        reason: Why, in one line.
        seconds: How long it took to fail.
        traceback: Of the exception; empty where there was none.
        file_report: What the static inspection of its file reported; None without one.
        provenance: Code, machine and file behind it; None where they are unknown.
    """
    record = ScanRecord(
        model_id=model_id,
        **vars(labels),
        status="failed",
        verdict=Verdict.FAILED,
        probability=math.nan,
        seconds={"total": seconds},
        error=traceback or reason,
        error_line=reason,
        look=dict(file_report or {}),
        provenance=provenance or Provenance(),
    )
    return ModelScan(record=record)
