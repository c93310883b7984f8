"""The judges of a sweep side by side, as HTML that needs nothing else."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from exray.evaluation.bootstrap import Estimate
from exray.evaluation.calibration_curve import calibration_curve
from exray.evaluation.metrics import statistics_of_all
from exray.evaluation.paired_tests import pruning
from exray.evaluation.predictions import all_clean, left_out, scanner_alone, with_judge
from exray.evaluation.roc import roc_curve
from exray.reports.dashboard_views import JudgeCell, JudgeView, ModelView, TriggerView
from exray.reports.glossary import GLOSSARY
from exray.reports.html_report import page_environment
from exray.reports.pages import page_links, page_path, parts, remove_pages_beyond
from exray.reports.trigger_cards import trigger_card
from exray.results.collection import Collection
from exray.results.model_scan import ModelScan, Tensors
from exray.results.records import ScanRecord, TriggerRecord
from exray.rules.verdict import Verdict
from exray.storage.atomic_files import replace_file

DRAWN_CARDS = 4  # of each model, most suspicious first; further triggers take one line
WHISKERS = ("accuracy", "balanced accuracy", "ROC-AUC")
FIGURES = ("cross-entropy", "Brier")


def write_dashboard(
    collections: Mapping[str, Collection],
    path: Path,
    title: str,
    *,
    reference: str,
    reports: Mapping[str, Path] | None = None,
) -> None:
    """Write the comparison as HTML that needs no second file, no script and no outside request.

    More than a hundred models are spread over pages, linked to each other; the first holds the
    figures of all.

    Args:
        collections: Each judge's records by its name.
        path: The file; replaced if there.
        title: Its heading.
        reference: The judge whose cards are shown and whose mistakes are filtered by.
        reports: Each judge's HTML report; those that exist are linked.

    Raises:
        RecordError: If a stored tensor is broken; names the file.
        ValueError: If there is no such judge.
    """
    if reference not in collections:
        raise ValueError(f"reference must be one of {', '.join(collections)}; got {reference!r}")
    links = {name: _link(report, path) for name, report in (reports or {}).items()}
    judges = _judges(collections, links)
    rows = _rows(collections, judges, reference)
    environment = page_environment()
    environment.filters |= {"percent": percent, "share": share}
    template = environment.get_template("dashboard.html.j2")
    of_pages = parts(rows, lambda row: min(len(row.own[row.shown].triggers), DRAWN_CARDS))
    labels = [f"{part[0].model_id} to {part[-1].model_id}" for part in of_pages if part]
    whole = _comparison(collections, judges, reference) | {
        "title": title,
        "num_models": len(rows),
        "num_disputed": sum("disputed" in row.classes.split() for row in rows),
        "num_pages": len(of_pages),
    }
    for number, part in reversed(list(enumerate(of_pages, start=1))):  # the first comes last
        page = template.render(
            **whole,
            number=number,
            pages=page_links(path, labels, number),
            models=[_model(row, place, judges) for place, row in enumerate(part)],
        )
        replace_file(page_path(path, number), page.encode())
    remove_pages_beyond(path, len(of_pages))


def _comparison(
    collections: Mapping[str, Collection], judges: Sequence[JudgeView], reference: str
) -> dict[str, object]:
    """What every page says of all models, by the template's names."""
    frames = {name: collection.frame for name, collection in collections.items()}
    has_truth = any(bool(frame["is_trojaned"].notna().any()) for frame in frames.values())
    against = frames[reference]
    others = statistics_of_all([scanner_alone(against), all_clean(against)]) if has_truth else []
    return {
        "reference": reference,
        "judges": judges,
        "first": next(judge for judge in judges if judge.name == reference),
        "best": _best(judges),
        "others": others,
        "has_truth": has_truth,
        "facts": _facts(frames),
        "captions": _captions(judges),
        "notes": [left_out(against).caption] if has_truth else [],
        "whiskers": WHISKERS,
        "figures": FIGURES,
        "glossary": GLOSSARY,
    }


def _judges(collections: Mapping[str, Collection], reports: Mapping[str, str]) -> list[JudgeView]:
    by_judge = {
        name: with_judge(collection.frame, name) for name, collection in collections.items()
    }
    known = [predictions for predictions in by_judge.values() if len(predictions)]
    figures = {statistics.name: statistics for statistics in statistics_of_all(known)}
    views = []
    for place, (name, collection) in enumerate(collections.items()):
        judged, scanner = by_judge[name], scanner_alone(collection.frame)
        curve = roc_curve(judged)
        views.append(
            JudgeView(
                key=f"j{place}",
                name=name,
                statistics=figures.get(name),
                pruned=pruning(scanner, judged) if len(scanner) and len(judged) else None,
                roc="" if curve is None else _path(curve.fpr, curve.tpr),
                calibration=calibration_curve(judged, bins=5) if curve is not None else None,
                report=reports.get(name, ""),
                caption=collection.caption,
            )
        )
    return views


def _captions(judges: Sequence[JudgeView]) -> list[tuple[str, list[str]]]:
    """How complete the records are, with the judges that each caption is about."""
    captions = dict.fromkeys(judge.caption for judge in judges)
    return [
        (caption, [judge.name for judge in judges if judge.caption == caption])
        for caption in captions
    ]


def _best(judges: Sequence[JudgeView]) -> JudgeView | None:
    """The judge of the highest balanced accuracy among the judges with the most models."""
    known = {
        judge.name: (
            judge.statistics.counts.total,
            judge.statistics.estimates["balanced accuracy"].value,
        )
        for judge in judges
        if judge.statistics is not None
    }
    ranked = [judge for judge in judges if not math.isnan(known.get(judge.name, (0, math.nan))[1])]
    return max(ranked, key=lambda judge: known[judge.name], default=None)


def _path(across: Sequence[float], up: Sequence[float]) -> str:
    """A line through points of the unit square, in a square of 100 whose second axis goes down."""
    points = [f"{100 * x:.2f} {100 - 100 * y:.2f}" for x, y in zip(across, up, strict=True)]
    return "M" + " L".join(points)


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One model with what the judges say of it; its pictures are not read yet."""

    model_id: str
    own: Mapping[str, ModelScan]
    shown: str
    judge_cells: list[JudgeCell]
    classes: str

    @property
    def record(self) -> ScanRecord:
        return self.own[self.shown].record


def _rows(
    collections: Mapping[str, Collection],
    judges: Sequence[JudgeView],
    reference: str,
) -> list[_Row]:
    """One per model, trojaned ones first."""
    scans = {
        name: {scan.record.model_id: scan for scan in collection.scans}
        for name, collection in collections.items()
    }
    ordered = [reference, *(name for name in collections if name != reference)]
    rows: list[_Row] = []
    for model_id in sorted({model_id for by_id in scans.values() for model_id in by_id}):
        own = {name: scans[name][model_id] for name in ordered if model_id in scans[name]}
        shown = next((name for name, scan in own.items() if scan.triggers), next(iter(own)))
        records = {name: scan.record for name, scan in own.items()}
        cells = [_model_cell(judge, records.get(judge.name)) for judge in judges]
        classes = _classes(records[shown], cells, reference)
        rows.append(
            _Row(model_id=model_id, own=own, shown=shown, judge_cells=cells, classes=classes)
        )
    kinds = {True: 0, False: 1, None: 2}
    return sorted(rows, key=lambda row: kinds[row.record.is_trojaned])


def _model(row: _Row, place: int, judges: Sequence[JudgeView]) -> ModelView:
    """What is shown of a model, with its pictures."""
    triggers = {
        judge.name: row.own[judge.name].triggers for judge in judges if judge.name in row.own
    }
    return ModelView(
        anchor=f"model-{place}",
        record=row.record,
        judge_cells=row.judge_cells,
        triggers=_triggers(row.own[row.shown].tensors, row.shown, triggers, judges),
        classes=row.classes,
    )


def _model_cell(judge: JudgeView, record: ScanRecord | None) -> JudgeCell:
    if record is None:
        return JudgeCell(judge=judge, word="missing", score=math.nan, note="no record")
    flagged = record.verdict == Verdict.TROJANED
    known = record.status == "done" and record.is_trojaned is not None
    return JudgeCell(
        judge=judge,
        word=record.verdict.value,
        score=record.probability if record.status == "done" else math.nan,
        is_wrong=known and flagged != record.is_trojaned,
        note=record.error_line or f"{record.num_injected} of {record.num_triggers} injected",
    )


def _triggers(
    tensors: Tensors,
    shown: str,
    triggers: Mapping[str, Sequence[TriggerRecord]],
    judges: Sequence[JudgeView],
) -> list[TriggerView]:
    """The shown judge's triggers with the decision of each judge, most suspicious first."""
    by_key = {
        name: {_key(trigger): trigger for trigger in records} for name, records in triggers.items()
    }
    return [
        TriggerView(
            card=trigger_card(trigger, tensors if place < DRAWN_CARDS else {}),
            is_drawn=place < DRAWN_CARDS,
            judge_cells=[
                _trigger_cell(judge, by_key[judge.name][_key(trigger)])
                for judge in judges
                if _key(trigger) in by_key.get(judge.name, {})
            ],
        )
        for place, trigger in enumerate(sorted(triggers[shown], key=_suspicion_rank))
    ]


def _suspicion_rank(trigger: TriggerRecord) -> tuple[bool, bool, float]:
    return not trigger.is_true_trigger, not trigger.is_injected, -trigger.score


def _key(trigger: TriggerRecord) -> tuple[int, int, int, str]:
    """What is the same for all judges of one scan."""
    return trigger.index, trigger.victim_class, trigger.target_class, trigger.source


def _trigger_cell(judge: JudgeView, trigger: TriggerRecord) -> JudgeCell:
    word = "injected" if trigger.is_injected else "natural"
    return JudgeCell(judge=judge, word=word, score=trigger.score, note=trigger.reason)


def _classes(record: ScanRecord, cells: Sequence[JudgeCell], reference: str) -> str:
    """CSS classes that the filters use."""
    words = [{True: "is-trojaned", False: "is-clean", None: "is-unknown"}[record.is_trojaned]]
    verdicts = {cell.word == Verdict.TROJANED for cell in cells if cell.word != "missing"}
    is_mistaken = any(cell.is_wrong and cell.judge.name == reference for cell in cells)
    is_broken = any(cell.word in ("failed", "missing") for cell in cells)
    words += ["disputed"] if len(verdicts) > 1 else []
    words += ["mistaken"] if is_mistaken else []
    words += ["broken"] if is_broken else []
    return " ".join(words)


def _facts(frames: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """What was scanned with what, over all judges."""
    together = pd.concat([frame.astype("object") for frame in frames.values()])
    names = ("dataset", "scanner", "layer", "architecture", "seed")
    values = {name: sorted({str(value) for value in together[name]} - {""}) for name in names}
    facts = [("models", str(together["model_id"].nunique())), ("judges", str(len(frames)))]
    return facts + [(name, ", ".join(words)) for name, words in values.items() if words]


def _link(report: Path, page: Path) -> str:
    """The report's address from the page's folder; empty where there is none."""
    return os.path.relpath(report, page.parent).replace(os.sep, "/") if report.exists() else ""


def share(value: float) -> str:
    """A share in per cent; a dash for nan.

    Args:
        value: A fraction, or nan.

    Example:
        >>> share(0.914), share(math.nan)
        ('91 %', '-')
    """
    return "-" if math.isnan(value) else f"{value:.0%}".replace("%", " %")


def percent(estimate: Estimate) -> tuple[float, float, float]:
    """A share's value and interval in per cent of the scale, for a whisker; nan without one.

    Args:
        estimate: In [0, 1].

    Example:
        >>> percent(Estimate(value=0.5, low=0.25, high=1.0))
        (50.0, 25.0, 100.0)
    """
    return 100 * estimate.value, 100 * estimate.low, 100 * estimate.high
