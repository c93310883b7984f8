"""Scans of one command line together, as one JSON document."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from exray.reports.answer import answer_of, has_probability
from exray.results.model_scan import ModelScan
from exray.rules.verdict import Verdict

FORMAT = 1  # of the JSON document


@dataclass(frozen=True, kw_only=True)
class ScanOutcome:
    """What came of one model that a command line names.

    Args:
        file: The model, as it was named.
        scan: Its scan; None where a mistake kept it from being scanned.
        mistake: The mistake; empty where there was none.
        report: Its report's file; empty without a scan.
    """

    file: str
    scan: ModelScan | None
    mistake: str = ""
    report: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict; ``failed`` where a mistake kept the model from being scanned."""
        return Verdict.FAILED if self.scan is None else self.scan.record.verdict


def outcomes_json(
    outcomes: Sequence[ScanOutcome], *, status: int, version: str, command: str
) -> dict[str, object]:
    """Everything that is known of the models, for other programs.

    Args:
        outcomes: Of each model.
        status: The exit status.
        version: Of exray.
        command: The command line.
    """
    return {
        "format": FORMAT,
        "exray": version,
        "command": command,
        "status": status,
        "models": [_model_json(outcome) for outcome in outcomes],
    }


def _model_json(outcome: ScanOutcome) -> dict[str, object]:
    values: dict[str, object] = {"file": outcome.file, "verdict": outcome.verdict.value}
    if outcome.scan is None:
        return values | {"probability": None, "error": outcome.mistake}
    record = outcome.scan.record
    answer = asdict(answer_of(outcome.scan))
    del answer["verdict"]
    stored = record.to_dict()
    if not has_probability(record):
        stored["probability"] = math.nan  # null in JSON, in old records too
    return values | {
        "probability": stored["probability"],
        "error": record.error_line,
        "answer": answer,
        "report": outcome.report,
        "record": stored,
        "triggers": [trigger.to_dict() for trigger in outcome.scan.triggers],
    }
