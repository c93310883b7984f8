"""A run for the terminal: tables for people, one line per model for scripts."""

from collections.abc import Sequence

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exray.evaluation.metrics import Statistics
from exray.reports.answer import answer_of, has_probability, ordered_triggers
from exray.reports.formatting import (
    clean_text,
    number,
    searched_words,
    trigger_word,
    truth_word,
    with_interval,
)
from exray.reports.markdown import comparison_notes, comparison_rows
from exray.results.collection import Collection
from exray.results.model_scan import ModelScan
from exray.results.records import TriggerRecord
from exray.rules.verdict import Verdict

STYLES = {
    Verdict.CLEAN: "green",
    Verdict.NATURAL_ONLY: "cyan",
    Verdict.TROJANED: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.FAILED: "magenta",
}


_RATES = ("accuracy", "balanced accuracy", "ROC-AUC", "cross-entropy")


def comparison_table(frame: pd.DataFrame) -> Table:
    """Scanner alone, scanner with judge and the trivial rule, against ground truth.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    caption = " ".join(comparison_notes(frame))
    return statistics_table(comparison_rows(frame), title="Against ground truth", caption=caption)


def statistics_table(rows: Sequence[Statistics], *, title: str, caption: str) -> Table:
    """A row per way of deciding, with counts and the main figures.

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


def model_table(collection: Collection) -> Table:
    """A row per model: the verdict, beside the truth where it is known.

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
            number(record.probability if has_probability(record) else None, 4),
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
    stages = (f"{name} {share / total:.0%}" for name, share in zip(names, shares, strict=True))
    return Text(f"Scan time: {total:.1f} s over {len(frame)} models: {', '.join(stages)}.")


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
        _render_model(scan, console, in_full=len(collection.scans) == 1)
    console.print(model_table(collection))
    if collection.frame["is_trojaned"].notna().any():
        console.print(comparison_table(collection.frame))
    elif collection.recorded and set(collection.recorded) == set(collection.failed):
        console.print("No classifier has a verdict, so no accuracy is given.", style="dim")
    else:
        console.print("Ground truth: unknown, so no accuracy is given.", style="dim")
    console.print(time_line(collection.frame))
    for model_id in collection.missing:
        console.print(clean_text(f"missing: {model_id}", style="magenta"))


def render_answer(scan: ModelScan, console: Console) -> None:
    """Print a scan's answer: what was found, how sure that is, its scope, and what to do next.

    Args:
        scan: The scan.
        console: Where to print.
    """
    answer = answer_of(scan)
    for sentence in answer.sentences:
        console.print(Padding(clean_text(sentence), (0, 0, 0, 4)))
    console.print("    What to do:")
    for place, step in enumerate(answer.next_steps, start=1):
        console.print(Padding(clean_text(f"{place}. {step}"), (0, 0, 0, 6)))


def _render_model(scan: ModelScan, console: Console, *, in_full: bool) -> None:
    record = scan.record
    heading = clean_text(record.model_id, style="bold").append("  ")
    console.print(heading.append(record.verdict.value, style=STYLES[record.verdict]))
    if in_full:
        render_answer(scan, console)
    for trigger in ordered_triggers(scan.triggers):
        console.print(trigger_line(trigger))
    if record.searches:
        console.print(clean_text(f"    tried: {searched_words(record.searches)}", style="dim"))
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
