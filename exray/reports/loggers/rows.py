"""What loggers say of a model and of a trigger, under the same names everywhere."""

from collections.abc import Sequence

from exray.results.records import ScanRecord, TriggerRecord
from exray.storage.plain_json import plain

TRIGGER_FIELDS = ("is_injected", "score", "asr", "size_pixels", "reason")
"""Of a trigger's record, in the order of tables, behind model, verdict, victim and target."""


def model_row(record: ScanRecord, triggers: Sequence[TriggerRecord]) -> dict[str, object]:
    """One model: verdict, counts, times, and its strongest trigger's measurements.

    Args:
        record: Its record.
        triggers: Its triggers.

    Returns:
        Plain values by name; what is unknown or not finite is left out.
    """
    row: dict[str, object] = {
        "model_id": record.model_id,
        "status": record.status,
        "verdict": record.verdict.value,
        "probability": record.probability,
        "num_candidates": record.num_candidates,
        "num_triggers": record.num_triggers,
        "num_injected": record.num_injected,
    }
    if record.clean_accuracy is not None:
        row["clean_accuracy"] = record.clean_accuracy
    row |= {f"seconds/{stage}": seconds for stage, seconds in record.seconds.items()}
    if triggers:
        strongest = max(triggers, key=lambda trigger: trigger.score)
        row |= {f"strongest/{name}": value for name, value in strongest.measurements.items()}
    return {name: value for name, value in row.items() if plain(value) is not None}


def trigger_row(record: ScanRecord, trigger: TriggerRecord) -> dict[str, object]:
    """One trigger: the model and its verdict, the pair, the judgement and every measurement.

    Args:
        record: Its model's record.
        trigger: The trigger.
    """
    return {
        "model_id": record.model_id,
        "verdict": record.verdict.value,
        "victim": trigger.victim_name,
        "target": trigger.target_name,
        **{name: getattr(trigger, name) for name in TRIGGER_FIELDS},
        **trigger.measurements,
    }


def numbers_of(row: dict[str, object]) -> dict[str, float]:
    """Those of a row's values that are numbers.

    Args:
        row: Values by name.

    Example:
        >>> numbers_of({"verdict": "clean", "probability": 0.1, "num_triggers": 2})
        {'probability': 0.1, 'num_triggers': 2.0}
    """
    return {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
