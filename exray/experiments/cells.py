"""The columns of the paper's tables: one kind of trigger against all clean models."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from exray.evaluation.rejudging.stored_measurements import measurements_of
from exray.rules.base import DecisionRule
from exray.rules.verdict import Verdict, model_verdicts


@dataclass(frozen=True, kw_only=True)
class Column:
    """Which trojaned models are set against the clean ones, and whose triggers count.

    The paper judges polygons by what ABS's patch inversion finds and filters by what its filter
    inversion finds, each on all clean models.

    Args:
        name: ``polygon``, ``filter`` or ``all``, as in the paper's numbers.
        title: What the table writes above it.
        kinds: Ground-truth trigger kinds that belong to it; empty for all.
        sources: Scanners whose triggers count; empty for all. Where all triggers are of one
            source they count whatever its name.

    Source: EX-RAY, section 4.1 and Table 1.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentCell:
    """The records of one configuration.

    Args:
        name: As tables call it.
        folder: Where its records are stored.
        records: A row per record, as `collect` gives it.
        triggers: A row per trigger.
        setting: Value on a figure's axis; nan where there is none.
        probability_without_triggers: What a model without a trigger gets.
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
            column: Which models and triggers stay.
        """
        records = self.records[_in_column(self.records, column)]
        known = set(self.triggers["source"].unique())
        if not column.sources or len(known) < 2:
            kept = self.triggers["model_id"].isin(records["model_id"])
            return self._with(records, self.triggers[kept])
        kept = self.triggers["source"].isin(column.sources)
        triggers = self.triggers[kept & self.triggers["model_id"].isin(records["model_id"])]
        return self._with(self._recounted(records, triggers), triggers)

    def redecided(self, rule: DecisionRule, name: str) -> "ExperimentCell":
        """The cell, had another rule decided on its stored measurements.

        Args:
            rule: What decides.
            name: What tables call the new cell.

        Raises:
            ValueError: If the triggers were not differenced.
        """
        if not len(self.triggers):
            return replace(self, name=name)
        rows = measurements_of(self.triggers)
        found = [None if row is None else rule.decide(row) for row in rows]
        triggers = self.triggers.assign(
            is_injected=[each is not None and each.is_injected for each in found],
            score=[0.0 if each is None else each.score for each in found],
        )
        without = rule.probability_without_triggers
        kept = self.probability_without_triggers if without is None else without
        new = replace(self, name=name, triggers=triggers, probability_without_triggers=kept)
        records = new._recounted(self.records, triggers)
        flags = self.records["scanner_flags"]
        return new._with(records.assign(scanner_flags=flags, judge=name), triggers)

    def _recounted(self, records: pd.DataFrame, triggers: pd.DataFrame) -> pd.DataFrame:
        """Verdicts that follow from some of the triggers alone."""
        new = model_verdicts(
            list(records["model_id"]),
            triggers,
            is_inconclusive=False,
            without_triggers=self.probability_without_triggers,
        ).set_index(records.index)
        answered = (records["status"] == "done") & (
            records["verdict"] != Verdict.INCONCLUSIVE.value
        )
        flags = (new["num_triggers"] > 0).astype("boolean")
        return records.assign(
            num_triggers=new["num_triggers"],
            num_injected=new["num_injected"],
            verdict=new["verdict"].where(answered, records["verdict"]),
            probability=new["probability"].where(answered, records["probability"]),
            scanner_flags=flags.where(answered, records["scanner_flags"]),
        )

    def _with(self, records: pd.DataFrame, triggers: pd.DataFrame) -> "ExperimentCell":
        return replace(
            self,
            records=records.reset_index(drop=True),
            triggers=triggers.reset_index(drop=True),
        )


def _in_column(records: pd.DataFrame, column: Column) -> pd.Series:
    """Clean models, failed ones, and trojaned models of the column's kinds."""
    if not column.kinds:
        return pd.Series(True, index=records.index)
    trojaned = records["is_trojaned"].fillna(False).astype(bool)
    return ~trojaned | records["trigger_kind"].isin(column.kinds)
