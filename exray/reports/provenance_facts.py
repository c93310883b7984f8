"""Where records come from, as pairs of name and text for reports."""

from collections.abc import Sequence
from dataclasses import asdict

from exray.results.records import ScanRecord

SHOWN_VALUES = 2  # of a field that differs between records; further ones are counted
_OF_RUN = ("date", "exray", "commit", "torch", "machine", "device", "command", "model_sha256")


def provenance_pairs(record: ScanRecord) -> list[tuple[str, str]]:
    """Everything that a record says of its origin; empty for records without a provenance.

    Args:
        record: The record.
    """
    values: dict[str, object] = asdict(record.provenance)
    if not record.provenance.date:
        return []
    if record.status == "done":
        values["temperature"] = f"{record.temperature:.4g}"
    return [(_title(name), _text(value)) for name, value in values.items() if value]


def shared_pairs(records: Sequence[ScanRecord]) -> list[tuple[str, str]]:
    """The origin of all records together: each field's values, or how many there are.

    Of a single record it is everything but the calibration, of which its answer speaks.

    Args:
        records: Of one run.
    """
    if len(records) == 1:
        return [pair for pair in provenance_pairs(records[0]) if pair[0] != "calibration"]
    pairs = []
    for name in _OF_RUN:
        values = sorted({getattr(record.provenance, name) for record in records} - {""})
        if len(values) > SHOWN_VALUES:
            values = [f"{len(values)} different ones"]
            if name == "date":
                values = [_span([record.provenance.date for record in records])]
        if values:
            pairs.append((_title(name), ", ".join(values)))
    return pairs


def _span(dates: Sequence[str]) -> str:
    known = sorted(date for date in dates if date)
    return f"{known[0]} to {known[-1]}"


def _title(name: str) -> str:
    return name.replace("_", " ").replace("sha256", "SHA-256")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_text(one)}" for name, one in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)
