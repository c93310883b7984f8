"""The figures of one run under names that are the same in every run."""

from exray.evaluation.collect import Collection
from exray.evaluation.files import plain
from exray.evaluation.metrics import scanner_alone, with_judge
from exray.evaluation.statistics import statistics
from exray.reports.console import summary_json


def summary_of(collection: Collection) -> dict[str, object]:
    """What cells are compared by: the verdicts' counts, and the figures against ground truth.

    Args:
        collection: The run's records.

    Returns:
        ``judge/<figure>``, with ``judge/<figure>/low`` and ``/high`` of its interval, and the same
        of the scanner alone; figures that are not defined are left out.
    """
    records = [scan.record for scan in collection.scans]
    found: dict[str, object] = {
        "verdicts": summary_json(records)["counts"],
        "caption": collection.caption,
    }
    ways = {"judge": with_judge(collection.frame), "scanner": scanner_alone(collection.frame)}
    for way, answers in ways.items():
        if len(answers):
            for figure, estimate in statistics(answers).estimates.items():
                name = f"{way}/{figure.replace(' ', '_')}"
                values = {"": estimate.value, "/low": estimate.low, "/high": estimate.high}
                found |= {f"{name}{end}": value for end, value in values.items()}
    return {name: value for name, value in found.items() if plain(value) is not None}
