"""What the calibrated judge says of stored runs that it was not fitted on, apart by what they are.

    python benchmarks/reporting_half.py results RUN RUN RUN

The runs are those of ``judge=exray`` (``scanner=portfolio``), which store every measurement.
Prints Markdown: all models, then a row per family, kind of trigger, reach, architecture and
variation of the training, then how often the scanner found a true trigger.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from exray.evaluation.metrics import Statistics, statistics
from exray.evaluation.predictions import Predictions
from exray.evaluation.rejudging.calibration_choice import CalibratedRejudgement
from exray.results.collection import Collection, collect, merged
from exray.results.store import ResultStore

_FIGURES = ("balanced accuracy", "FPR", "ROC-AUC", "cross-entropy")
_OF_TRIGGERS = ("trigger_kind", "trigger_reach")
_GOOD_ASR = 0.8


def table(title: str, rows: Iterator[Statistics]) -> None:
    """Prints the figures of some rows with their 95 % intervals."""
    print(f"\n| {title} | TP | FP | TN | FN | {' | '.join(_FIGURES)} |")
    print("|---" * (5 + len(_FIGURES)) + "|")
    for row in rows:
        cells = []
        for name in _FIGURES:
            one = row.estimates[name]
            known = np.isfinite(one.value)
            cells.append(f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" if known else "")
        own = row.counts
        print(f"| {row.name} | {own.tp} | {own.fp} | {own.tn} | {own.fn} | {' | '.join(cells)} |")


def levels(predictions: Predictions, frame: pd.DataFrame, column: str) -> Iterator[Statistics]:
    """The figures of each level of a column; those of triggers are set against all clean models."""
    own_rows = frame.set_index("model_id").loc[list(predictions.model_ids)]
    values = own_rows[column].fillna("").astype(str).to_numpy()
    clean = ~predictions.is_trojaned
    for level in sorted(set(values) - {""}):
        own = values == level
        rows = np.flatnonzero(own | clean if column in _OF_TRIGGERS else own)
        chosen = predictions.select(rows)
        yield statistics(
            Predictions(
                name=f"{level} ({int((own & ~clean).sum())} trojaned)",
                model_ids=chosen.model_ids,
                is_trojaned=chosen.is_trojaned,
                flagged=chosen.flagged,
                probability=chosen.probability,
            )
        )


def recall(collection: Collection) -> Iterator[tuple[str, int, int, int]]:
    """Per kind and reach: models, those with a true trigger, and those with one that works."""
    frame = collection.frame[collection.frame["is_trojaned"].fillna(False).astype(bool)]
    triggers = collection.triggers
    is_true = triggers["is_true_trigger"].astype("boolean").fillna(False).astype(bool)
    works = is_true & (triggers["asr"] >= _GOOD_ASR)
    found: dict[str, Callable[[str], bool]] = {
        "true": set(triggers.loc[is_true, "model_id"]).__contains__,
        "works": set(triggers.loc[works, "model_id"]).__contains__,
    }
    reach = np.where(frame["trigger_reach"] == "universal", "universal", "label-specific")
    reach = np.where(frame["trigger_reach"] == "all to all", "all to all", reach)
    for (kind, own_reach), rows in frame.groupby([frame["trigger_kind"], reach]):
        ids = list(rows["model_id"])
        hits = [sum(map(found[name], ids)) for name in ("true", "works")]
        yield f"{kind}, {own_reach}", len(ids), hits[0], hits[1]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("runs", nargs="+", help="folders of judge=exray under it")
    parser.add_argument("--calibration", default="portfolio", help="a shipped one, or a file")
    parser.add_argument(
        "--without", nargs="*", default=[], help="measurements that are taken as not made"
    )
    given = parser.parse_args()
    collection = merged({name: collect(ResultStore(given.results / name)) for name in given.runs})
    rejudgement = CalibratedRejudgement(name="calibrated", file=given.calibration)
    triggers = collection.triggers.drop(columns=[f"m_{name}" for name in given.without])
    predictions = rejudgement.predictions(collection.frame, triggers)
    table(f"{len(predictions[0])} models", map(statistics, predictions))
    for column in ("dataset", *_OF_TRIGGERS, "architecture"):
        table(column, levels(predictions[1], collection.frame, column))
    print(f"\n| the scanner finds | models | a true trigger | one with an ASR >= {_GOOD_ASR} |")
    print("|---|---|---|---|")
    for name, count, hits, works in recall(collection):
        print(f"| {name} | {count} | {hits} | {works} |")
    wrong = np.flatnonzero(~predictions[1].is_right)
    known = collection.frame.set_index("model_id")
    print("\nMisjudged:")
    for row in wrong:
        model = predictions[1].model_ids[row]
        facts = known.loc[model]
        truth = facts["trigger_kind"] or "clean"
        said = f"{predictions[1].probability[row]:.2f}"
        print(f"- {model}: {truth} {facts['trigger_reach']}, {facts['architecture']}, {said}")


if __name__ == "__main__":
    main()
