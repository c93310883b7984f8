"""Scans as SARIF 2.1.0, which code hosts show beside the code.

A trojaned model is an error, natural triggers are a note, a model of which nothing can be said or
that was not scanned is a warning; a clean one is among the artifacts and has no result.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from exray.reports.answer import LIMITS, answer_of, has_probability
from exray.reports.scan_outcomes import ScanOutcome
from exray.rules.verdict import Verdict

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HELP = "docs/how-exray-decides.md of exray says how verdicts come about."
_RULES: Mapping[Verdict, tuple[str, str, str, str]] = MappingProxyType(
    {
        Verdict.TROJANED: (
            "EXRAY001",
            "TrojanedModel",
            "error",
            "The image classifier looks backdoored: a trigger flips its classes and was judged "
            "injected.",
        ),
        Verdict.NATURAL_ONLY: (
            "EXRAY002",
            "NaturalTriggers",
            "note",
            "Triggers flip the classifier's classes, and none was judged injected.",
        ),
        Verdict.INCONCLUSIVE: (
            "EXRAY003",
            "InconclusiveScan",
            "warning",
            "Nothing can be said of the classifier.",
        ),
        Verdict.FAILED: ("EXRAY004", "FailedScan", "warning", "The model was not scanned."),
    }
)
_PLACES = {verdict: place for place, verdict in enumerate(_RULES)}


def sarif_log(
    outcomes: Sequence[ScanOutcome], *, status: int, version: str, command: str, root: Path
) -> dict[str, object]:
    """The scans as one run of a SARIF log.

    Args:
        outcomes: Of each model.
        status: The exit status.
        version: Of exray.
        command: The command line.
        root: Folder that the models' addresses are relative to, where they lie in it.
    """
    driver = {
        "name": "exray",
        "version": version,
        "shortDescription": {"text": "Looks for backdoors in trained image classifiers."},
        "rules": [_rule(verdict) for verdict in _RULES],
        "properties": {"limits": list(LIMITS)},
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(outcomes, status, command, root)],
        "artifacts": [_artifact(outcome, root) for outcome in outcomes],
        "results": [
            _result(outcome, index, root)
            for index, outcome in enumerate(outcomes)
            if outcome.verdict in _RULES
        ],
        "columnKind": "utf16CodeUnits",
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def address(file: str, root: Path) -> str:
    """A file's URI: relative where it lies below the root, else absolute.

    Args:
        file: Its path.
        root: A folder.

    Example:
        >>> address("/a/b c.pt", Path("/a")), address("/x/m.pt", Path("/a"))
        ('b%20c.pt', 'file:///x/m.pt')
    """
    path = Path(os.path.abspath(file))
    if path.is_relative_to(root):
        return quote(path.relative_to(root).as_posix())
    return path.as_uri()


def _rule(verdict: Verdict) -> dict[str, object]:
    name_id, name, level, text = _RULES[verdict]
    properties: dict[str, object] = {"tags": ["security", "machine-learning"]}
    if verdict is Verdict.TROJANED:
        properties["security-severity"] = "9.0"
    return {
        "id": name_id,
        "name": name,
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": _HELP},
        "defaultConfiguration": {"level": level},
        "properties": properties,
    }


def _invocation(
    outcomes: Sequence[ScanOutcome], status: int, command: str, root: Path
) -> dict[str, object]:
    failed = [outcome for outcome in outcomes if outcome.verdict is Verdict.FAILED]
    values: dict[str, object] = {
        "executionSuccessful": not failed,
        "exitCode": status,
        "toolExecutionNotifications": [
            {
                "level": "error",
                "message": {"text": _text(outcome)},
                "locations": [_location(outcome.file, root)],
            }
            for outcome in failed
        ],
    }
    return values | ({"commandLine": command} if command else {})


def _artifact(outcome: ScanOutcome, root: Path) -> dict[str, object]:
    values: dict[str, object] = {
        "location": {"uri": address(outcome.file, root)},
        "roles": ["analysisTarget"],
    }
    digest = "" if outcome.scan is None else outcome.scan.record.provenance.model_sha256
    return values | ({"hashes": {"sha-256": digest}} if digest else {})


def _result(outcome: ScanOutcome, index: int, root: Path) -> dict[str, object]:
    name_id, _, level, _ = _RULES[outcome.verdict]
    location = _location(outcome.file, root)
    location["physicalLocation"]["artifactLocation"]["index"] = index
    values: dict[str, object] = {
        "ruleId": name_id,
        "ruleIndex": _PLACES[outcome.verdict],
        "level": level,
        "message": {"text": _text(outcome)},
        "locations": [location],
    }
    if outcome.scan is None:
        return values
    record = outcome.scan.record
    properties: dict[str, object] = {
        "verdict": record.verdict.value,
        "numTriggers": record.num_triggers,
        "numInjected": record.num_injected,
    }
    if has_probability(record):
        properties["probability"] = record.probability
        values["rank"] = round(100 * record.probability, 2)
    if record.provenance.model_sha256:
        values["partialFingerprints"] = {"modelSha256/v1": record.provenance.model_sha256}
    return values | {"properties": properties}


def _location(file: str, root: Path) -> dict[str, dict[str, dict[str, object]]]:
    place: dict[str, dict[str, object]] = {
        "artifactLocation": {"uri": address(file, root)},
        "region": {"startLine": 1},  # code hosts want a line, which weights do not have
    }
    return {"physicalLocation": place}


def _text(outcome: ScanOutcome) -> str:
    if outcome.scan is None:
        return f"The model was not scanned: {outcome.mistake}"
    answer = answer_of(outcome.scan)
    return " ".join((*answer.sentences, *answer.next_steps))
