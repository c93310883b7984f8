"""Tables in Markdown, each a pure function of a frame of records."""

from collections.abc import Mapping, Sequence

import pandas as pd

from exray.evaluation.breakdown import FACTORS, by_factor
from exray.evaluation.metrics import METRICS, Statistics, statistics_of_all
from exray.evaluation.paired_tests import PairedTest, paired_test, pruning
from exray.evaluation.predictions import all_clean, left_out, scanner_alone, with_judge
from exray.reports.formatting import number, with_interval

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
    against = frames[reference]
    predictions = [scanner_alone(against), *judges.values(), all_clean(against)]
    rows = statistics_of_all(predictions)
    tests = [
        paired_test(predictions, judges[reference])
        for name, predictions in judges.items()
        if name != reference
    ]
    return (
        f"{statistics_markdown('judge', rows)}\n{_tests_table(tests)}"
        if tests
        else (statistics_markdown("judge", rows))
    )


def factors_markdown(frame: pd.DataFrame, factors: Sequence[str] = FACTORS) -> str:
    """The judge's figures apart by architecture, number of classes, trigger kind and size.

    Args:
        frame: One row per record.
        factors: Which of them; those that the records do not know are left out.
    """
    tables = [(factor, by_factor(frame, factor)) for factor in factors]
    return "\n".join(
        statistics_markdown(factor.replace("_", " "), rows) for factor, rows in tables if rows
    )


def read_records(path: str) -> pd.DataFrame:
    """The frame of a ``records.csv``, with truth and scanner verdicts as nullable booleans."""
    return pd.read_csv(path, dtype={"is_trojaned": "boolean", "scanner_flags": "boolean"})


def statistics_markdown(heading: str, rows: Sequence[Statistics]) -> str:
    """Ways of deciding below each other, with all figures and their intervals.

    Args:
        heading: Of the column of names.
        rows: The ways.
    """
    lines = [_line([heading, *_TALLIES, *_RATES]), "|---" * (1 + len(_TALLIES + _RATES)) + "|"]
    for row in rows:
        tallies = (row.counts.tp, row.counts.fp, row.counts.tn, row.counts.fn)
        rates = [with_interval(row.estimates[name]) for name in _RATES]
        lines.append(_line([row.name, *map(str, tallies), *rates]))
    return "\n".join(lines) + "\n"


def _tests_table(tests: Sequence[PairedTest]) -> str:
    compared = tuple(tests[0].differences)
    names = [f"{name} difference" for name in compared]
    heading = ["paired test", "models", "only first right", "only second right", "p", *names]
    lines = [_line(heading), "|---" * len(heading) + "|"]
    for test in tests:
        tallies = (test.num_models, test.only_first_right, test.only_second_right)
        differences = [with_interval(test.differences[name]) for name in compared]
        title = f"{test.first} - {test.second}"
        lines.append(_line([title, *map(str, tallies), number(test.p_value, 3), *differences]))
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


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
