"""The columns of the paper's tables: one kind of trigger against all clean models."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from exray.evaluation.rejudging.stored_measurements import decide
from exray.rules.base import DecisionRule
from exray.rules.verdict import Verdict, model_verdicts


@dataclass(frozen=True, kw_only=True)
class Column:
    """Which trojaned models are set against the clean ones, and whose triggers count.

    The paper judges polygons by the triggers of ABS's patch inversion and filters by those of its
    filter inversion, each on all clean models.

    Args:
        name: ``polygon``, ``filter`` or ``all``, as in the paper's numbers.
        title: What the table writes above it.
        kinds: Ground-truth trigger kinds that belong to it; empty for all.
        sources: Scanners whose triggers count; empty for all. Triggers that are all of one
            scanner count whatever its name.
        options: Ground-truth options of these kinds, such as the weight of an adaptive attack;
            empty for all.

    Source: EX-RAY, section 4.1 and Table 1.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    sources: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentCell:
    """The records of one configuration; never changed, its methods return new cells.

    Args:
        name: As tables call it.
        folder: Where its records are stored.
        records: A row per record, as `collect` gives it.
        triggers: A row per trigger.
        setting: Value on a figure's axis; nan without one.
        probability_without_triggers: Probability of a model without triggers.
        caption: How complete the records are.
    """

    name: str
    folder: Path
    records: pd.DataFrame
    triggers: pd.DataFrame
    setting: float
    probability_without_triggers: float
    caption: str

    def restricted(self, column: Column) -> "ExperimentCell":
        """The cell, had only the column's models been scanned, and only by its scanners.

        Args:
            column: Selects the models and triggers.
        """
        records = self.records[_in_column(self.records, column)]
        triggers = self.triggers[self.triggers["model_id"].isin(records["model_id"])]
        if column.sources and self.triggers["source"].nunique() > 1:
            triggers = triggers[triggers["source"].isin(column.sources)]
            records = _judged_anew(records, triggers, self.probability_without_triggers)
        return self._replaced(records, triggers)

    def redecided(self, rule: DecisionRule, name: str) -> "ExperimentCell":
        """The cell, had another rule decided on its stored measurements.

        Args:
            rule: Decides about each trigger.
            name: What tables call the new cell.

        Raises:
            ValueError: If the triggers were not differenced.
        """
        if not len(self.triggers):
            return replace(self, name=name)
        decisions = decide(rule, self.triggers)
        triggers = self.triggers.assign(
            is_injected=[decision is not None and decision.is_injected for decision in decisions],
            score=[0.0 if decision is None else decision.score for decision in decisions],
        )
        without = rule.probability_without_triggers
        if without is None:
            without = self.probability_without_triggers
        judged = _judged_anew(self.records, triggers, without)
        records = judged.assign(scanner_flags=self.records["scanner_flags"], judge=name)
        cell = replace(self, name=name, probability_without_triggers=without)
        return cell._replaced(records, triggers)

    def _replaced(self, records: pd.DataFrame, triggers: pd.DataFrame) -> "ExperimentCell":
        """A copy with other rows, numbered from 0."""
        return replace(
            self,
            records=records.reset_index(drop=True),
            triggers=triggers.reset_index(drop=True),
        )


def _judged_anew(
    records: pd.DataFrame, triggers: pd.DataFrame, probability_without_triggers: float
) -> pd.DataFrame:
    """The records with the verdicts that follow from these triggers alone."""
    new = model_verdicts(
        list(records["model_id"]),
        triggers,
        is_inconclusive=False,
        without_triggers=probability_without_triggers,
    ).set_index(records.index)
    is_conclusive = records["verdict"] != Verdict.INCONCLUSIVE.value
    judged = (records["status"] == "done") & is_conclusive
    flags = (new["num_triggers"] > 0).astype("boolean")
    return records.assign(
        num_triggers=new["num_triggers"],
        num_injected=new["num_injected"],
        verdict=new["verdict"].where(judged, records["verdict"]),
        probability=new["probability"].where(judged, records["probability"]),
        scanner_flags=flags.where(judged, records["scanner_flags"]),
    )


def _in_column(records: pd.DataFrame, column: Column) -> pd.Series:
    """Clean models, failed ones, and trojaned models of the column's kinds."""
    if not column.kinds:
        return pd.Series(True, index=records.index)
    trojaned = records["is_trojaned"].fillna(False).astype(bool)
    chosen = records["trigger_kind"].isin(column.kinds)
    if column.options:
        chosen &= records["trigger_option"].isin(column.options)
    return ~trojaned | chosen
