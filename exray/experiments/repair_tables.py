"""Tables of repairs: methods side by side, and the paper's Table 8; pure functions of rows."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from exray.reports.formatting import number
from exray.results.repairs import RepairRecord, RepairStore, repair_frame
from exray.text import markdown_table

ASR_BAR = 0.1  # of the true trigger after a repair
DROP_BAR = 0.03  # of test accuracy
_DIGITS = 3
_STAGES = ("before", "after")


@dataclass(frozen=True, kw_only=True)
class RepairAbout:
    """What an experiment on repairs says of itself.

    Args:
        title: What it is about.
        runs: Folders under the results whose repairs it is made of.
        reported: File of the paper's numbers; empty where it prints none.
        differs: How this differs from the paper's, a sentence each.
    """

    title: str
    runs: Sequence[str]
    reported: str
    differs: Sequence[str]


class RepairTable(ABC):
    """A table made of the repairs of some runs.

    Args:
        about: What the experiment says of itself.
    """

    def __init__(self, *, about: RepairAbout) -> None:
        self.about = about

    def rows(self, results: Path) -> pd.DataFrame:
        """A row per repair, in the order of runs, methods and models; runs without any left out.

        Args:
            results: Folder of all runs.

        Raises:
            ValueError: If no run holds a repair.
        """
        frames = []
        for run in self.about.runs:
            stores = [path.parent.parent for path in sorted((results / run).rglob("repair.json"))]
            for root in dict.fromkeys(stores):
                frames.append(self.frame(RepairStore(root).records()).assign(run=run))
        if not frames:
            runs = ", ".join(self.about.runs)
            raise ValueError(f"{results} holds no repairs of {runs}; run them first: task=repair")
        return pd.concat(frames, ignore_index=True)

    def frame(self, records: Sequence[RepairRecord]) -> pd.DataFrame:
        """The rows of some records.

        Args:
            records: Of one run.
        """
        return repair_frame(records)

    @abstractmethod
    def markdown(self, rows: pd.DataFrame, reported: pd.DataFrame | None) -> str:
        """The table's text.

        Args:
            rows: As :meth:`rows` gives them, or as ``records.csv`` holds them.
            reported: The paper's numbers; None where it prints none.
        """


class MethodsTable(RepairTable):
    """Repair methods on the same trojaned models, model by model and together."""

    def markdown(self, rows: pd.DataFrame, reported: pd.DataFrame | None) -> str:
        """A row per method, then a row per model and method."""
        del reported
        trojaned = rows[rows["true_asr_before"].notna()]
        parts = [
            f"# {self.about.title}\n",
            _methods(trojaned),
            f"Repaired: the true trigger's ASR under {ASR_BAR:.0%} at a cost of at most "
            f"{100 * DROP_BAR:g} points of test accuracy. Means are over the models that each "
            "method was measured on; strength is that of the strongest trigger that the scan "
            "finds, 0 where a clean image's margin is reached and nothing is left to find.\n",
            _models(trojaned),
            "",
        ]
        return "\n".join(parts)


def is_repaired(rows: pd.DataFrame) -> pd.Series:
    """Whether the true trigger's ASR fell under its bar at no more than the allowed cost.

    Args:
        rows: A row per repair.
    """
    drop = rows["true_accuracy_before"] - rows["true_accuracy_after"]
    return (rows["true_asr_after"] < ASR_BAR) & (drop <= DROP_BAR + 1e-9)


def _methods(rows: pd.DataFrame) -> str:
    lines: list[list[str]] = []
    for method in rows["method"].unique():
        own = rows[rows["method"] == method]
        cells = [str(method), f"{int(is_repaired(own).sum())} of {len(own)}"]
        for name in ("true_accuracy", "true_asr", "strength"):
            cells += [number(_mean(own, f"{name}_{when}"), _DIGITS) for when in _STAGES]
        cells += [str(int((own[f"verdict_{when}"] == "trojaned").sum())) for when in _STAGES]
        lines.append([*cells, f"{_mean(own, 'seconds'):.0f}"])
    header = (
        "method",
        "repaired",
        "accuracy before",
        "after",
        "true ASR before",
        "after",
        "strength before",
        "after",
        "trojaned before",
        "after",
        "seconds",
    )
    return markdown_table(header, lines)


def _mean(rows: pd.DataFrame, name: str) -> float:
    return float(rows[name].astype(float).mean())


def _models(rows: pd.DataFrame) -> str:
    ordered = rows.sort_values(["run", "model_id", "method"], kind="stable")
    lines = [
        (
            f"{row['run']} {row['model_id']}",
            f"{row['trigger_kind']}, {row['trigger_reach']}",
            row["method"],
            row["status"],
            _pair(row["true_accuracy_before"], row["true_accuracy_after"]),
            _pair(row["true_asr_before"], row["true_asr_after"]),
            _pair(row["strength_before"], row["strength_after"], 1),
            f"{row['verdict_before']} > {row['verdict_after']}",
            "yes" if good else "no",
        )
        for row, good in zip(ordered.to_dict("records"), is_repaired(ordered), strict=True)
    ]
    header = (
        "model",
        "attack",
        "method",
        "status",
        "accuracy",
        "true ASR",
        "strength",
        "verdict",
        "repaired",
    )
    return markdown_table(header, lines)


def _pair(before: float | int | None, after: float | int | None, digits: int = _DIGITS) -> str:
    """Two numbers as a table shows them; a column of whole numbers is read back as such."""
    values = [None if value is None else float(value) for value in (before, after)]
    return f"{number(values[0], digits)} > {number(values[1], digits)}"


class NaturalAndInjected(RepairTable):
    """Table 8: the triggers of clean models and the true ones of trojaned models, unlearned alike.

    A row of the rows is a trigger of the first scan; each pair of classes counts once per model.
    """

    def frame(self, records: Sequence[RepairRecord]) -> pd.DataFrame:
        """A row per unlearned pair of classes: all of clean models, the true ones of others."""
        rows: list[Mapping[str, object]] = []
        for record in records:
            row = repair_frame([record]).to_dict("records")[0]
            base = {str(name): value for name, value in row.items()}
            seen = set()
            for trigger in record.unlearned:
                pair = (trigger.victim_class, trigger.target_class)
                is_wanted = not record.is_trojaned or trigger.is_true_trigger
                if pair in seen or not is_wanted:
                    continue
                seen.add(pair)
                sizes = {"size_before": trigger.size_before, "size_after": trigger.size_after}
                rows.append(
                    {
                        **base,
                        **sizes,
                        "trigger": "injected" if record.is_trojaned else "natural",
                        "pair": f"{pair[0]}>{pair[1]}",
                    }
                )
        return pd.DataFrame(rows)

    def markdown(self, rows: pd.DataFrame, reported: pd.DataFrame | None) -> str:
        """Accuracy and size before and after, ours beside the paper's, and the claim."""
        parts = [f"# {self.about.title}\n", _table_8(rows, reported), *_claims(rows), ""]
        parts += [_table_8_models(rows), ""]
        return "\n".join(parts)


_KINDS = ("natural", "injected")


def _means(rows: pd.DataFrame, kind: str) -> dict[str, float]:
    """Mean accuracy over models, and mean size over models of their pairs' mean."""
    own = rows[rows["trigger"] == kind]
    names = ["true_accuracy_before", "true_accuracy_after", "size_before", "size_after"]
    return {
        name: _mean(own.groupby("model_id", as_index=False)[names].mean(), name) for name in names
    }


def _table_8(rows: pd.DataFrame, reported: pd.DataFrame | None) -> str:
    lines: list[tuple[str, ...]] = []
    for kind in _KINDS:
        own = rows[rows["trigger"] == kind]
        means = _means(rows, kind)
        counts = f"{own['model_id'].nunique()} models, {len(own)} pairs"
        accuracy = _pair(means["true_accuracy_before"], means["true_accuracy_after"])
        sizes = _pair(means["size_before"], means["size_after"], 1)
        lines.append((kind, "here", counts, accuracy, sizes))
        if reported is not None:
            theirs = reported[reported["trigger"] == kind].set_index("when").to_dict("index")
            before, after = theirs["before"], theirs["after"]
            accuracy = _pair(before["average_accuracy"], after["average_accuracy"])
            name = "average_trigger_size_pixels"
            sizes = _pair(before[name], after[name], 1)
            lines.append((kind, "paper", "5 models", accuracy, sizes))
    return markdown_table(("trigger", "", "of", "accuracy", "size, px"), lines)


def _claims(rows: pd.DataFrame) -> list[str]:
    """The paper's claim, and whether it holds here."""
    if set(rows["trigger"]) != set(_KINDS):
        return ["The claim cannot be checked: one of the two kinds has no row."]
    natural, injected = (_means(rows, kind) for kind in _KINDS)
    grown = [means["size_after"] - means["size_before"] for means in (natural, injected)]
    cost = [
        means["true_accuracy_before"] - means["true_accuracy_after"]
        for means in (natural, injected)
    ]
    says = {True: "holds", False: "does not hold"}
    return [
        f"- Injected triggers grow more: {grown[1]:.1f} px against {grown[0]:.1f} px; the claim "
        f"{says[grown[1] > grown[0]]} here (paper: 78 against 34.4).",
        f"- Unlearning them costs less accuracy: {100 * cost[1]:.1f} points against "
        f"{100 * cost[0]:.1f}; the claim {says[cost[1] < cost[0]]} here (paper: 1.0 against 2.8).",
    ]


def _table_8_models(rows: pd.DataFrame) -> str:
    lines: list[tuple[object, ...]] = []
    for kind in _KINDS:
        for model_id in rows.loc[rows["trigger"] == kind, "model_id"].unique():
            own = rows[(rows["trigger"] == kind) & (rows["model_id"] == model_id)]
            first = own.to_dict("records")[0]
            attack = f"{first['trigger_kind']}, {first['trigger_reach']}"
            lines.append(
                (
                    model_id,
                    attack if kind == "injected" else "-",
                    len(own),
                    _pair(first["true_accuracy_before"], first["true_accuracy_after"]),
                    _pair(_mean(own, "size_before"), _mean(own, "size_after"), 1),
                    _pair(first["true_asr_before"], first["true_asr_after"]),
                )
            )
    header = ("model", "attack", "pairs", "accuracy", "size, px", "true ASR")
    return markdown_table(header, lines)
