"""Tables in Markdown, each a pure function of a frame of records."""

from collections.abc import Mapping, Sequence

import pandas as pd

from exray.evaluation.metrics import METRICS, Statistics, statistics_of_all
from exray.evaluation.paired_tests import PairedTest, paired_test, pruning
from exray.evaluation.predictions import all_clean, left_out, scanner_alone, with_judge
from exray.reports.formatting import number, with_interval
from exray.text import markdown_table

_TALLIES = ("TP", "FP", "TN", "FN")
_RATES = tuple(name for name in METRICS if name not in _TALLIES)


def comparison_markdown(frame: pd.DataFrame) -> str:
    """The scanner alone beside scanner + judge and the trivial rule, as a Markdown table.

    Args:
        frame: One row per record, from ``collect`` or ``read_records``.
    """
    notes = "\n".join(comparison_notes(frame))
    return f"{statistics_markdown('', comparison_rows(frame))}\n{notes}\n"


def judges_markdown(frames: Mapping[str, pd.DataFrame], reference: str) -> str:
    """Judges on the same classifiers side by side, each tested against one of them.

    Args:
        frames: The records of each judge by its name, one row per record. The scanner's row and
            the trivial rule's are of the reference's records.
        reference: The judge that the others are tested against.

    Raises:
        ValueError: If there is no such judge, or a judge has no model in common with it.
    """
    if reference not in frames:
        raise ValueError(f"reference must be one of {', '.join(frames)}; got {reference!r}")
    judges = {name: with_judge(frame, name) for name, frame in frames.items()}
    records = frames[reference]
    ways = [scanner_alone(records), *judges.values(), all_clean(records)]
    table = statistics_markdown("judge", statistics_of_all(ways))
    tests = [
        paired_test(predictions, judges[reference])
        for name, predictions in judges.items()
        if name != reference
    ]
    return f"{table}\n{_tests_markdown(tests)}" if tests else table


def read_records(path: str) -> pd.DataFrame:
    """The frame of a ``records.csv``, with truth and scanner verdicts as nullable booleans."""
    return pd.read_csv(path, dtype={"is_trojaned": "boolean", "scanner_flags": "boolean"})


def statistics_markdown(heading: str, rows: Sequence[Statistics]) -> str:
    """The figures of each way of deciding, with their intervals, a row per way.

    Args:
        heading: Of the column of names.
        rows: The figures of each way.
    """
    cells = []
    for row in rows:
        counts = row.counts
        rates = [with_interval(row.estimates[name]) for name in _RATES]
        cells.append([row.name, counts.tp, counts.fp, counts.tn, counts.fn, *rates])
    return markdown_table([heading, *_TALLIES, *_RATES], cells)


def _tests_markdown(tests: Sequence[PairedTest]) -> str:
    figures = tuple(tests[0].differences)
    names = [f"{name} difference" for name in figures]
    header = ["paired test", "models", "only first right", "only second right", "p", *names]
    cells = []
    for test in tests:
        tallies = (test.num_models, test.only_first_right, test.only_second_right)
        differences = [with_interval(test.differences[name]) for name in figures]
        title = f"{test.first} - {test.second}"
        cells.append([title, *tallies, number(test.p_value, 3), *differences])
    return markdown_table(header, cells)


def comparison_rows(frame: pd.DataFrame) -> list[Statistics]:
    """The predictions that every table puts side by side, with their intervals.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    ways = (scanner_alone, with_judge, all_clean)
    return statistics_of_all([way(frame) for way in ways])


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
