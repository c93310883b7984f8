"""Tables in Markdown, each a pure function of a frame of records."""

import pandas as pd

from exray.reports.console import comparison_rows, number

_COLUMNS = ("", "TP", "FP", "TN", "FN", "TPR", "FPR", "accuracy", "balanced accuracy")


def comparison_markdown(frame: pd.DataFrame) -> str:
    """The scanner alone beside scanner + judge and the trivial rule, as a Markdown table.

    Args:
        frame: One row per record, from ``collect`` or ``read_records``.
    """
    lines = [
        "| " + " | ".join(_COLUMNS) + " |",
        "|---" * len(_COLUMNS) + "|",
    ]
    for name, counts in comparison_rows(frame):
        tallies = (counts.tp, counts.fp, counts.tn, counts.fn)
        rates = (counts.tpr, counts.fpr, counts.accuracy, counts.balanced_accuracy)
        cells = [name, *map(str, tallies), *(number(rate, 3) for rate in rates)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def read_records(path: str) -> pd.DataFrame:
    """The frame of a ``records.csv``, with truth and scanner verdicts as nullable booleans."""
    return pd.read_csv(path, dtype={"is_trojaned": "boolean", "scanner_flags": "boolean"})
