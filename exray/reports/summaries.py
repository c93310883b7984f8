"""The figures of one run under names that are the same in every run."""

import math
import re
from collections.abc import Mapping, Sequence

from exray.evaluation.metrics import Statistics, statistics_of_all
from exray.evaluation.predictions import scanner_alone, with_judge
from exray.reports.answer import has_probability
from exray.results.collection import Collection
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict
from exray.storage.plain_json import plain


def summary_of(
    collection: Collection, ways: Mapping[str, Statistics] | None = None
) -> dict[str, object]:
    """What cells are compared by: the verdicts' counts, and the figures against ground truth.

    Args:
        collection: The run's records.
        ways: What `ways_of` gives for it; None to find them here.

    Returns:
        ``judge/<figure>``, with ``judge/<figure>/low`` and ``/high`` of its interval, and the same
        of the scanner alone; figures that are not defined are left out.
    """
    records = [scan.record for scan in collection.scans]
    summary: dict[str, object] = {
        "verdicts": summary_json(records)["counts"],
        "caption": collection.caption,
    }
    return summary | figures_of(ways_of(collection) if ways is None else ways)


def ways_of(collection: Collection) -> dict[str, Statistics]:
    """The figures of the scanner alone and with its judge; none without ground truth.

    Args:
        collection: The run's records.
    """
    ways = {"scanner": scanner_alone(collection.frame), "judge": with_judge(collection.frame)}
    known = {name: predictions for name, predictions in ways.items() if len(predictions)}
    return dict(zip(known, statistics_of_all(list(known.values())), strict=True))


def figures_of(ways: Mapping[str, Statistics]) -> dict[str, object]:
    """The figures of several ways of deciding, flat.

    Args:
        ways: The figures by the way's name, of which logs keep letters, digits, dots and hyphens.

    Returns:
        ``<way>/<figure>``, ``<way>/<figure>/low`` and ``/high``; undefined ones are left out.
    """
    figures: dict[str, object] = {}
    for way, statistics in ways.items():
        prefix = re.sub(r"[^\w.-]+", "_", way)
        for figure, estimate in statistics.estimates.items():
            name = f"{prefix}/{figure.replace(' ', '_')}"
            values = {"": estimate.value, "/low": estimate.low, "/high": estimate.high}
            figures |= {f"{name}{end}": value for end, value in values.items()}
    return {name: value for name, value in figures.items() if plain(value) is not None}


def machine_line(record: ScanRecord) -> str:
    r"""The line that scripts read: id, verdict, probability, triggers, injected ones.

    A failed scan has ``nan`` for a probability.

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
        f"{record.probability if has_probability(record) else math.nan:.4f}",
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
            "probability": record.probability if has_probability(record) else None,
            "num_triggers": record.num_triggers,
            "num_injected": record.num_injected,
            "error_line": record.error_line,
        }
        for record in records
    ]
    verdicts = [record.verdict for record in records]
    tally = {verdict.value: verdicts.count(verdict) for verdict in Verdict}
    return {"models": models, "counts": {"total": len(verdicts), **tally}}
