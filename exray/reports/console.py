"""A run for the terminal: tables for people, one line per model for scripts."""

import math
from collections.abc import Sequence

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exray.evaluation.bootstrap import Estimate
from exray.evaluation.collect import Collection
from exray.evaluation.comparison import pruning
from exray.evaluation.metrics import all_clean, left_out, scanner_alone, with_judge
from exray.evaluation.records import ScanRecord, TriggerRecord, Verdict
from exray.evaluation.statistics import Statistics, statistics_of_all
from exray.evaluation.store import StoredScan

STYLES = {
    Verdict.CLEAN: "green",
    Verdict.NATURAL_ONLY: "cyan",
    Verdict.TROJANED: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.FAILED: "magenta",
}
ABSENT = "-"
_RATES = ("accuracy", "balanced accuracy", "ROC-AUC", "cross-entropy")


def machine_line(record: ScanRecord) -> str:
    r"""The line that scripts read: id, verdict, probability, triggers, injected ones.

    Args:
        record: A classifier's record.

    Example:
        >>> record = ScanRecord(model_id="m1", run_id="r", status="done",
        ...     verdict=Verdict.TROJANED, probability=0.93751, num_triggers=3, num_injected=1)
        >>> machine_line(record).split("\t")
        ['m1', 'trojaned', '0.9375', '3', '1']
    """
    fields = (
        record.model_id,
        record.verdict.value,
        f"{record.probability:.4f}",
        str(record.num_triggers),
        str(record.num_injected),
    )
    return "\t".join(fields)


def summary_json(records: Sequence[ScanRecord]) -> dict[str, object]:
    """The fields of `machine_line` per model, and how many models got each verdict.

    Args:
        records: The run's records.

    Returns:
        Plain values for JSON; a probability that is not a number is None.
    """
    models = [
        {
            "model_id": record.model_id,
            "verdict": record.verdict.value,
            "probability": None if math.isnan(record.probability) else record.probability,
            "num_triggers": record.num_triggers,
            "num_injected": record.num_injected,
            "error_line": record.error_line,
        }
        for record in records
    ]
    verdicts = [record.verdict for record in records]
    tally = {verdict.value: verdicts.count(verdict) for verdict in Verdict}
    return {"models": models, "counts": {"total": len(verdicts), **tally}}


def comparison_rows(frame: pd.DataFrame) -> list[Statistics]:
    """The answers that every table puts side by side, with their intervals.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    ways = (scanner_alone, with_judge, all_clean)
    return statistics_of_all([way(frame) for way in ways])


def comparison_table(frame: pd.DataFrame) -> Table:
    """Scanner alone, scanner with judge and the trivial rule, against ground truth.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    caption = " ".join(comparison_notes(frame))
    return statistics_table(comparison_rows(frame), title="Against ground truth", caption=caption)


def statistics_table(rows: Sequence[Statistics], *, title: str, caption: str) -> Table:
    """Ways of deciding below each other, with counts and the main figures.

    Args:
        rows: The ways.
        title: Above the table.
        caption: Below it.
    """
    table = _table(title, caption)
    table.add_column("")
    for heading in ("TP", "FP", "TN", "FN", *_RATES):
        table.add_column(heading, justify="right")
    for row in rows:
        tallies = (row.counts.tp, row.counts.fp, row.counts.tn, row.counts.fn)
        rates = (with_interval(row.estimates[name], separator="\n") for name in _RATES)
        table.add_row(row.name, *map(str, tallies), *rates)
    return table


def comparison_notes(frame: pd.DataFrame) -> list[str]:
    """What a reader of the comparison must know, a sentence each.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    scanner, judged = scanner_alone(frame), with_judge(frame)
    notes = [left_out(frame).caption]
    if len(scanner) and len(judged):
        change = pruning(scanner, judged)
        notes.append(
            f"The judge removes {with_interval(change.fp_reduction)} of the scanner's false "
            f"positives and loses {with_interval(change.tp_loss)} of its true positives."
        )
    notes.append(
        "In brackets: 95 % bootstrap intervals over models; one without width says that the "
        "models agree, not that the figure is certain."
    )
    return [note for note in notes if note]


def model_table(collection: Collection) -> Table:
    """A row per model: what was found, beside the truth where it is known.

    Args:
        collection: The run's records.
    """
    table = _table("Models", collection.caption)
    table.add_column("model")
    table.add_column("verdict")
    for heading in ("probability", "triggers", "injected", "truth", "clean accuracy", "seconds"):
        table.add_column(heading, justify="right")
    for scan in collection.scans:
        record = scan.record
        table.add_row(
            clean_text(record.model_id),
            Text(record.verdict.value, style=STYLES[record.verdict]),
            number(record.probability, 4),
            str(record.num_triggers),
            str(record.num_injected),
            truth_word(record.is_trojaned),
            number(record.clean_accuracy, 3),
            number(record.seconds.get("total"), 1),
        )
    return table


def time_line(frame: pd.DataFrame) -> Text:
    """How the scans' time divides into inversion, judgement and the rest.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    total = float(frame["seconds"].sum())
    if total <= 0:
        return Text("Scan time: not measured.")
    inversion = float(frame["inversion_seconds"].sum())
    judgement = float(frame["judgement_seconds"].sum())
    shares = (inversion, judgement, max(total - inversion - judgement, 0.0))
    names = ("inversion", "judgement", "the rest")
    told = (f"{name} {share / total:.0%}" for name, share in zip(names, shares, strict=True))
    return Text(f"Scan time: {total:.1f} s over {len(frame)} models: {', '.join(told)}.")


def trigger_line(trigger: TriggerRecord) -> Text:
    """One trigger in a line: where it leads, how well, and what it was judged.

    Args:
        trigger: The trigger.
    """
    line = clean_text(f"    {trigger.victim_name} -> {trigger.target_name}")
    line.append(f"   ASR {number(trigger.asr, 2)}   size {number(trigger.size_pixels, 0)} px")
    line.append(f"   similarity {number(trigger.measurements.get('similarity'), 3)}   ")
    verdict = Verdict.TROJANED if trigger.is_injected else Verdict.NATURAL_ONLY
    return line.append(trigger_word(trigger), style=STYLES[verdict])


def render_summary(collection: Collection, console: Console) -> None:
    """Print a run for people: tables, triggers, warnings, failures, gaps and time.

    Args:
        collection: The run's records.
        console: Where to print; the command line gives one on stderr.
    """
    for scan in collection.scans:
        _render_model(scan, console)
    console.print(model_table(collection))
    if collection.frame["is_trojaned"].notna().any():
        console.print(comparison_table(collection.frame))
    elif collection.found and set(collection.found) == set(collection.failed):
        console.print("No classifier has a verdict, so no accuracy is given.", style="dim")
    else:
        console.print("Ground truth: unknown, so no accuracy is given.", style="dim")
    console.print(time_line(collection.frame))
    for model_id in collection.missing:
        console.print(clean_text(f"missing: {model_id}", style="magenta"))


def truth_word(is_trojaned: bool | None) -> str:
    """Ground truth in a word; a dash where it is unknown."""
    return {True: "trojaned", False: "clean", None: ABSENT}[is_trojaned]


def trigger_word(trigger: TriggerRecord) -> str:
    """A trigger's verdict in a word."""
    return "injected" if trigger.is_injected else "natural"


def number(value: float | None, digits: int) -> str:
    """A number to so many decimals; a dash where there is none.

    Args:
        value: The number, None or nan.
        digits: Decimals.

    Example:
        >>> number(0.12345, 3), number(None, 3), number(float("nan"), 3)
        ('0.123', '-', '-')
    """
    return ABSENT if value is None or math.isnan(value) else f"{value:.{digits}f}"


def with_interval(estimate: Estimate, *, digits: int = 3, separator: str = " ") -> str:
    """A figure with its interval in brackets; a dash where it is not defined.

    Args:
        estimate: The figure.
        digits: Decimals.
        separator: Between the figure and the bracket.

    Example:
        >>> with_interval(Estimate(value=0.75, low=0.5, high=1.0), digits=2)
        '0.75 [0.50, 1.00]'
        >>> with_interval(Estimate(value=math.nan, low=math.nan, high=math.nan))
        '-'
    """
    if math.isnan(estimate.value) or math.isnan(estimate.low):
        return number(estimate.value, digits)
    ends = f"[{number(estimate.low, digits)}, {number(estimate.high, digits)}]"
    return f"{number(estimate.value, digits)}{separator}{ends}"


def clean_text(text: str, style: str = "") -> Text:
    r"""A stranger's text without what a terminal would obey.

    Args:
        text: Class names, model ids and messages, from anywhere.
        style: A rich style for all of it.

    Example:
        >>> clean_text("[bold]\x1b[2Jstop").plain
        '[bold]?[2Jstop'
    """
    return Text("".join(char if char.isprintable() else "?" for char in text), style=style)


def _render_model(scan: StoredScan, console: Console) -> None:
    record = scan.record
    heading = clean_text(record.model_id, style="bold").append("  ")
    console.print(heading.append(record.verdict.value, style=STYLES[record.verdict]))
    for trigger in sorted(scan.triggers, key=lambda trigger: not trigger.is_injected):
        console.print(trigger_line(trigger))
    if record.error_line:
        console.print(clean_text(f"    failed: {record.error_line}", style="magenta"))
    for warning in record.warnings:
        console.print(clean_text(f"    warning: {warning}", style="yellow"))


def _table(title: str, caption: str) -> Table:
    return Table(
        title=title,
        caption=clean_text(caption) if caption else None,
        box=SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
    )
