"""A run in Markdown: each model's answer, its triggers, and where the record comes from."""

import re
from collections.abc import Sequence

from exray.reports.answer import LIMITS, answer_of, has_probability, ordered_triggers
from exray.reports.formatting import number, trigger_word
from exray.reports.provenance_facts import provenance_pairs
from exray.results.collection import Collection
from exray.results.model_scan import ModelScan
from exray.results.records import TriggerRecord
from exray.text import markdown_table

REPORT_FILE = "report.md"  # its name in a run's folder
SHOWN_TRIGGERS = 20  # of each model
_SPECIAL = re.compile(r"([\\`*_\[\]<>#!|~])")


def report_markdown(collection: Collection, title: str) -> str:
    """The run as Markdown, the answers first.

    Args:
        collection: The run's records; missing ones are named.
        title: Its heading.
    """
    parts = [f"# {escaped(title)}\n"]
    if len(collection.scans) != 1 or collection.missing:
        parts += [f"{escaped(collection.caption)}\n", _models_table(collection.scans)]
    parts += [_model_part(scan) for scan in collection.scans]
    limits = "".join(f"- {limit}\n" for limit in LIMITS)
    parts.append(f"## What a clean scan does not promise\n\n{limits}")
    return "\n".join(parts)


def escaped(text: str) -> str:
    r"""A stranger's text on one line, without what Markdown or HTML would obey.

    Args:
        text: Class names, model ids and messages, from anywhere.

    Example:
        >>> escaped("<b>|*")
        '\\<b\\>\\|\\*'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _models_table(scans: Sequence[ModelScan]) -> str:
    rows = [
        (
            escaped(scan.record.model_id),
            scan.record.verdict.value,
            number(scan.record.probability if has_probability(scan.record) else None, 3),
            scan.record.num_triggers,
            scan.record.num_injected,
        )
        for scan in scans
    ]
    return markdown_table(("model", "verdict", "probability", "triggers", "injected"), rows)


def _model_part(scan: ModelScan) -> str:
    answer = answer_of(scan)
    head = f"## {escaped(scan.record.model_id)}: {answer.verdict.value}\n"
    paragraph = f"{escaped(' '.join(answer.sentences))}\n"
    steps = "".join(
        f"{place}. {escaped(step)}\n" for place, step in enumerate(answer.next_steps, start=1)
    )
    warnings = "".join(f"- {escaped(warning)}\n" for warning in scan.record.warnings)
    return "\n".join(
        part for part in (head, paragraph, steps, _evidence(scan), warnings, _origin(scan)) if part
    )


def _evidence(scan: ModelScan) -> str:
    triggers = ordered_triggers(scan.triggers)
    if not triggers:
        return ""
    rows = [_row(trigger) for trigger in triggers[:SHOWN_TRIGGERS]]
    table = markdown_table(("victim", "target", "", "score", "ASR", "pixels", "why"), rows)
    left_out = len(triggers) - len(rows)
    return table + (f"\n{left_out} more triggers are in report.html.\n" if left_out else "")


def _row(trigger: TriggerRecord) -> tuple[str, ...]:
    return (
        escaped(trigger.victim_name),
        escaped(trigger.target_name),
        trigger_word(trigger),
        number(trigger.score, 2),
        number(trigger.asr, 2),
        number(trigger.size_pixels, 0),
        escaped(trigger.reason),
    )


def _origin(scan: ModelScan) -> str:
    return "".join(f"- {name}: {escaped(value)}\n" for name, value in provenance_pairs(scan.record))
