"""Figures 21 and 22: smallest triggers between all pairs of classes, before and after a repair."""

from collections.abc import Hashable, Mapping, Sequence

import pandas as pd

from exray.experiments.repair_tables import RepairTable
from exray.reports.formatting import number
from exray.results.repairs import RepairRecord
from exray.text import markdown_table

_STAGES = ("before", "after")
_COLUMNS = (
    "model_id",
    "method",
    "status",
    "trigger_kind",
    "trigger_reach",
    "verdict_before",
    "verdict_after",
    "true_accuracy_before",
    "true_accuracy_after",
    "true_asr_before",
    "true_asr_after",
    "scanner",
    "judge",
)


class PairSizes(RepairTable):
    """Matrices of trigger sizes; a row of the rows is a pair of classes of a model."""

    def frame(self, records: Sequence[RepairRecord]) -> pd.DataFrame:
        """A row per measured pair, with whether its trigger was unlearned.

        Args:
            records: Of one run.
        """
        rows: list[Mapping[str, object]] = []
        for record, base in zip(records, super().frame(records).to_dict("records"), strict=True):
            own = {name: base[name] for name in _COLUMNS}
            unlearned = {(one.victim_class, one.target_class) for one in record.unlearned}
            true = {
                (one.victim_class, one.target_class)
                for one in record.unlearned
                if one.is_true_trigger
            }
            for one in record.pair_sizes:
                pair = (one.victim_class, one.target_class)
                flags = {"is_unlearned": pair in unlearned, "is_true_trigger": pair in true}
                rows.append({**own, **vars(one), **flags})
        return pd.DataFrame(rows)

    def markdown(self, rows: pd.DataFrame, reported: pd.DataFrame | None) -> str:
        """Both matrices of each model, and how its unlearned pair stands among all.

        Args:
            rows: As :meth:`rows` gives them, or as ``records.csv`` holds them.
            reported: The paper's matrices; None where it prints none.
        """
        parts = [f"# {self.about.title}\n"]
        if rows.empty:
            return "\n".join([*parts, "No pair was measured.", ""])
        for model_id in rows["model_id"].unique():
            parts.append(_model(rows[rows["model_id"] == model_id], str(model_id)))
        if reported is not None:
            parts.append(_paper(reported))
        return "\n".join(parts)


def _model(rows: pd.DataFrame, model_id: str) -> str:
    """A model's section."""
    first = rows.to_dict("records")[0]
    attack = first["trigger_kind"]
    is_clean = not isinstance(attack, str) or not attack
    kind = "clean" if is_clean else f"{attack}, {first['trigger_reach']}"
    accuracy, asr = (
        " > ".join(number(_value(first[f"true_{name}_{when}"]), 3) for when in _STAGES)
        for name in ("accuracy", "asr")
    )
    said = f"accuracy {accuracy}" + (f", true ASR {asr}" if not is_clean else "")
    lines = [
        f"## {model_id}: {kind}\n",
        f"{said}, {first['verdict_before']} > "
        f"{first['verdict_after']}. Columns are victims, rows targets; pixels.\n",
    ]
    for when in _STAGES:
        lines += [f"{when.capitalize()}:\n", _matrix(rows, f"size_{when}"), ""]
    wanted = (
        rows[rows["is_true_trigger"]]
        if rows["is_true_trigger"].any()
        else rows[rows["is_unlearned"]]
    )
    lines += [_standing(rows, pair) for pair in wanted.to_dict("records")]
    return "\n".join([*lines, ""])


def _value(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


def _matrix(rows: pd.DataFrame, column: str) -> str:
    """A row per target, a column per victim."""
    classes = sorted({*rows["victim_class"], *rows["target_class"]})
    sizes = {
        (row["victim_class"], row["target_class"]): row[column] for row in rows.to_dict("records")
    }
    lines = [
        [
            str(target),
            *("-" if (v, target) not in sizes else f"{sizes[v, target]:.0f}" for v in classes),
        ]
        for target in classes
    ]
    return markdown_table(("", *map(str, classes)), lines)


def _standing(rows: pd.DataFrame, pair: Mapping[Hashable, object]) -> str:
    """Where one pair stands among all, before and after."""
    texts = []
    for when in _STAGES:
        sizes = rows[f"size_{when}"].astype(float)
        own = float(str(pair[f"size_{when}"]))
        rank = int((sizes < own).sum()) + 1
        texts.append(
            f"{when} {own:.0f} px, rank {rank} of {len(sizes)} (mean {sizes.mean():.0f} px)"
        )
    name = "true pair" if pair["is_true_trigger"] else "unlearned pair"
    return f"- {name} {pair['victim_class']} > {pair['target_class']}: {'; '.join(texts)}"


def _paper(reported: pd.DataFrame) -> str:
    """The paper's smallest pair before unlearning, where it stands after it."""
    rows = reported.to_dict("records")
    first = min(
        (row for row in rows if row["when"] == "before"), key=lambda row: float(row["size_pixels"])
    )
    pair = (first["victim_class"], first["target_class"])
    texts = []
    for when in _STAGES:
        sizes = {
            (row["victim_class"], row["target_class"]): float(row["size_pixels"])
            for row in rows
            if row["when"] == when
        }
        mean = sum(sizes.values()) / len(sizes)
        texts.append(f"{when} {sizes[pair]:.0f} px (mean {mean:.0f} px)")
    return f"- paper's pair {pair[0]} > {pair[1]}: {'; '.join(texts)}\n"
