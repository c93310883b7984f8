"""A rule's decisions on stored triggers: the arithmetic of the judge itself, without torch."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool
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


def decide(rule: DecisionRule, rows: Sequence[Measurements]) -> list[Decision | None]:
    """A rule's decision on each stored trigger; None for one that flips nothing.

    Args:
        rule: What decides.
        rows: Each trigger's measurements, as `measurements_of` gives them.
    """
    return [None if row is None else rule.decide(row) for row in rows]


def measurements_of(triggers: pd.DataFrame) -> list[Measurements]:
    """The measurements of ``judge=exray`` of each trigger, by name; None where it flips nothing.

    Args:
        triggers: A row per trigger, as `trigger_frame` gives it.

    Raises:
        ValueError: If the triggers were not differenced.
    """
    columns = [name for name in triggers if str(name).startswith("m_")]
    missing = [name for name in DIFFERENCED if f"m_{name}" not in columns]
    if missing:
        raise ValueError(f"the stored triggers have no {missing[0]}; rejudge a run of judge=exray")
    rows = triggers[columns].rename(columns=lambda name: str(name).removeprefix("m_"))
    return [
        None if math.isnan(row[DIFFERENCED[0]]) else {str(name): row[name] for name in row}
        for row in rows.to_dict("records")
    ]
