"""A rule's decisions on stored triggers: the arithmetic of the judge itself, without torch."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from exray.rules.base import CROSS, Decision, DecisionRule

DIFFERENCED = ("similarity", *CROSS, "converged_victim_target", "converged_victim_stamped")
"""What every trigger that ``judge=exray`` has differenced holds."""


Measurements = dict[str, float] | None


def injected_by(rule: DecisionRule, rows: Sequence[Measurements]) -> Bool[ndarray, " n"]:
    """Which triggers a rule calls injected; one that flips nothing is none.

    Args:
        rule: What decides.
        rows: Each trigger's measurements, as `measurements_of` gives them.
    """
    return np.array([row is not None and rule.injects(row) for row in rows], dtype=bool)


def decide(rule: DecisionRule, triggers: pd.DataFrame) -> list[Decision | None]:
    """A rule's decision on each stored trigger, all triggers of a model together.

    Args:
        rule: What decides.
        triggers: A row per trigger, as `trigger_frame` gives it.

    Returns:
        The decisions, in their order; None for a trigger that flips nothing, where the rule needs
        masks.

    Raises:
        ValueError: If the triggers were not differenced and the rule needs masks.
    """
    rows: Sequence[Measurements] = (
        measurements_of(triggers) if rule.needs_masks else all_measurements_of(triggers)
    )
    targets = triggers["target_class"].tolist()
    decisions: list[Decision | None] = [None] * len(rows)
    by_model: dict[str, list[int]] = {}
    for at, model_id in enumerate(triggers["model_id"].astype(str)):
        by_model.setdefault(model_id, []).append(at)
    for places in by_model.values():
        known = {at: row for at in places if (row := rows[at]) is not None}
        decided = rule.decide_model(list(known.values()), [int(targets[at]) for at in known])
        for at, decision in zip(known, decided, strict=True):
            decisions[at] = decision
    return decisions


def columns_of(triggers: pd.DataFrame) -> dict[str, Float[ndarray, " n"]]:
    """The measurements of ``judge=exray`` of all triggers, by name; nan where one flips nothing.

    Args:
        triggers: A row per trigger, as `trigger_frame` gives it.

    Raises:
        ValueError: If the triggers were not differenced.
    """
    _require_differenced(triggers)
    names = [str(name) for name in triggers if str(name).startswith("m_")]
    return {name.removeprefix("m_"): triggers[name].to_numpy(np.float64) for name in names}


def all_measurements_of(triggers: pd.DataFrame) -> list[dict[str, float]]:
    """The measurements of each trigger, by name, whether it was differenced or not.

    Args:
        triggers: A row per trigger, as `trigger_frame` gives it.
    """
    columns = [name for name in triggers if str(name).startswith("m_")]
    rows = triggers[columns].rename(columns=lambda name: str(name).removeprefix("m_"))
    return [{str(name): row[name] for name in row} for row in rows.to_dict("records")]


def measurements_of(triggers: pd.DataFrame) -> list[Measurements]:
    """The measurements of ``judge=exray`` of each trigger, by name; None where it flips nothing.

    Args:
        triggers: A row per trigger, as `trigger_frame` gives it.

    Raises:
        ValueError: If the triggers were not differenced.
    """
    _require_differenced(triggers)
    return [
        None if math.isnan(row[DIFFERENCED[0]]) else row for row in all_measurements_of(triggers)
    ]


def _require_differenced(triggers: pd.DataFrame) -> None:
    missing = [name for name in DIFFERENCED if f"m_{name}" not in triggers]
    if missing:
        raise ValueError(f"the stored triggers have no {missing[0]}; rejudge a run of judge=exray")
