"""Repairs for the terminal: tables for people, one line per classifier for scripts."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from exray.reports.formatting import clean_text, number
from exray.results.repairs import RepairRecord, RoundRecord

NATURAL_TRIGGERS = (
    "Natural triggers are left alone: such a trigger is what two classes share, or what the data "
    "always show beside one of them, and not something that was put in. Unlearning it costs "
    "accuracy and makes it larger, not harmless. What helps instead: more and more varied images "
    "of both classes, and of the target's background without the target; one class in place of "
    "two that hardly differ; a second look where the two are confused. "
    "repair.settings.triggers=all (exray repair --all-triggers) unlearns them all the same, "
    "within the same budget of accuracy."
)
_FORCE = "repair.force=true (exray repair --force) writes it all the same, and the file says so."


def repair_line(record: RepairRecord) -> str:
    r"""The line that scripts read.

    Args:
        record: A classifier's record.

    Returns:
        Id, status, accuracy before and after, verdict before and after, file; with tabs between.

    Example:
        >>> record = RepairRecord(model_id="m1", run_id="r", status="nothing")
        >>> repair_line(record).split("\t")
        ['m1', 'nothing', '-', '-', '-', '-', '-']
    """
    stages = (record.before, record.after)
    accuracies = [number(None if one is None else one.accuracy, 4) for one in stages]
    verdicts = ["-" if one is None else one.verdict for one in stages]
    fields = (record.model_id, record.status, *accuracies, *verdicts, record.weights or "-")
    return "\t".join(fields)


def render_repairs(records: Sequence[RepairRecord], console: Console) -> None:
    """Prints what each repair did, why one was refused, and what cannot be repaired.

    Args:
        records: The records.
        console: Where to.
    """
    measured = [record for record in records if record.before is not None]
    if measured:
        console.print(_stages_table(measured))
    for record in measured if len(measured) == 1 else ():
        console.print(_triggers_table(record))
    for record in records:
        for text in sentences(record):
            console.print(clean_text(f"{record.model_id}: {text}"), soft_wrap=True)
    if any(record.num_natural or record.status == "nothing" for record in records):
        console.print(clean_text(NATURAL_TRIGGERS), soft_wrap=True)


def sentences(record: RepairRecord) -> list[str]:
    """What became of a repair, and why.

    Args:
        record: The record.
    """
    texts = {
        "repaired": f"written to {record.weights}",
        "forced": f"written to {record.weights} by force, although it is not good enough",
        "refused": f"nothing written. {_FORCE}",
        "nothing": "nothing to unlearn, nothing written",
        "failed": "failed, nothing written",
    }
    reasons = [*record.reasons, texts[record.status]]
    if record.num_natural:
        count = record.num_natural
        reasons.append(f"{count} natural trigger{'s were' if count > 1 else ' was'} left alone")
    return reasons


def _stages_table(records: Sequence[RepairRecord]) -> Table:
    """A row per classifier before its repair and one after, with the truth where it is known."""
    table = Table(title="Repairs, on held-out images", box=SIMPLE_HEAD, title_justify="left")
    headings = ("accuracy", "verdict", "probability", "triggers", "injected", "strength")
    for heading in ("model", "", *headings, "true ASR"):
        table.add_column(heading, justify="left" if heading in ("model", "") else "right")
    for record in records:
        stages = (
            ("before", record.before, record.true_asr_before),
            (f"after {record.method}", record.after, record.true_asr_after),
        )
        for when, stage, true_asr in stages:
            if stage is not None:
                cells = (*_cells(stage), number(true_asr, 3))
                table.add_row(clean_text(record.model_id), when, *cells)
    return table


def _cells(stage: RoundRecord) -> tuple[str, ...]:
    return (
        number(stage.accuracy, 3),
        stage.verdict,
        number(stage.probability, 2),
        str(stage.num_triggers),
        str(stage.num_injected),
        number(stage.strength, 1),
    )


def _triggers_table(record: RepairRecord) -> Table:
    """A row per unlearned trigger: what it did before and does now."""
    table = Table(title="Unlearned triggers", box=SIMPLE_HEAD, title_justify="left")
    for heading in ("victim", "target", "found by", "ASR before", "ASR after"):
        table.add_column(heading, justify="right" if heading.startswith("ASR") else "left")
    for trigger in record.unlearned:
        table.add_row(
            clean_text(trigger.victim_name),
            clean_text(trigger.target_name),
            trigger.source,
            number(trigger.asr_before, 2),
            number(trigger.asr_after, 2),
        )
    return table
