"""Where a judge's bar comes from: as it ran, the best for these models, other models, a forest."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from exray.evaluation.predictions import Predictions, scanner_alone, with_judge
from exray.evaluation.rejudging.base import scored_by_triggers
from exray.evaluation.rejudging.random_forest import forest_scores
from exray.evaluation.thresholds import (
    best_separation,
    frozen_threshold,
    model_scores,
    swapped_halves,
    with_threshold,
)
from exray.experiments.cells import Column, ExperimentCell
from exray.rules.verdict import flagged_verdict

BEST = "best separation"
FROZEN = "frozen threshold"
ALONE = "scanner alone"
APPLICABLE = "m_applicable"


def rows_of(predictions: Predictions, cell: ExperimentCell, name: str) -> pd.DataFrame:
    """The cell's records with other verdicts and probabilities, under a row's name.

    Args:
        predictions: Models without one keep their records, failed ones among them.
        cell: Whose records.
        name: The row.
    """
    flagged = dict(zip(predictions.model_ids, predictions.flagged.tolist(), strict=True))
    probabilities = dict(zip(predictions.model_ids, predictions.probability.tolist(), strict=True))
    records = cell.records
    verdicts = [
        flagged_verdict(str(verdict), is_flagged=flagged[str(model_id)])
        if str(model_id) in flagged
        else str(verdict)
        for model_id, verdict in zip(records["model_id"], records["verdict"], strict=True)
    ]
    new = records["model_id"].astype(str).map(probabilities)
    return records.assign(
        row=name,
        setting=cell.setting,
        verdict=verdicts,
        probability=new.where(
            records["model_id"].isin(list(probabilities)), records["probability"]
        ),
    )


def as_run(cell: ExperimentCell) -> pd.DataFrame:
    """The cell's own verdicts.

    Args:
        cell: A configuration's records.
    """
    return rows_of(with_judge(cell.records), cell, cell.name)


def alone(cell: ExperimentCell) -> pd.DataFrame:
    """The verdicts of the cell's scanner without its judge; without probabilities.

    Args:
        cell: A configuration's records.
    """
    return rows_of(scanner_alone(cell.records), cell, f"{cell.name}, {ALONE}")


def separated(cell: ExperimentCell) -> tuple[pd.DataFrame, str]:
    """The verdicts with the threshold that suits these very models best, as the paper does.

    Args:
        cell: A configuration's records.

    Returns:
        The rows, and a note that names the threshold.
    """
    truth = with_judge(cell.records).is_trojaned
    chosen = best_separation(model_scores(cell.records), truth)
    name = f"{cell.name}, {BEST}"
    predictions = with_threshold(cell.records, chosen.threshold, name)
    return rows_of(predictions, cell, name), f"{name}: score {chosen.threshold:.3f}"


def frozen(
    cell: ExperimentCell, column: Column, tuning: Mapping[str, ExperimentCell], *, seed: int
) -> tuple[pd.DataFrame, str]:
    """The verdicts with a threshold that other models chose.

    Args:
        cell: A configuration's records, restricted to the column.
        column: To which the tuning records are restricted too.
        tuning: The cells of a tuning run by name. Where there is none of the cell's name, each half
            of the models takes the threshold of the other half.
        seed: Of those halves.

    Returns:
        The rows, and a note that says which models chose.
    """
    name = f"{cell.name}, {FROZEN}"
    if cell.name in tuning:
        chosen_on = tuning[cell.name].restricted(column).records
        predictions = frozen_threshold(chosen_on, cell.records, name)
        return rows_of(predictions, cell, name), f"{name}: chosen on the tuning run"
    predictions = swapped_halves(cell.records, name, seed=seed)
    return rows_of(predictions, cell, name), f"{name}: no tuning run, so chosen on the other half"


def forested(cell: ExperimentCell, *, trees: int, seed: int) -> pd.DataFrame:
    """The paper's random forest: half the models train, the other half is judged, then swapped.

    Args:
        cell: Records of ``judge=random_forest``.
        trees: Of the forest.
        seed: Of the halves and the forest.

    Raises:
        ValueError: If the records hold other measurements.
    """
    if not len(cell.triggers):
        return as_run(cell)
    scores = forest_scores(cell.records, cell.triggers, trees=trees, seed=seed)
    return rows_of(scored_by_triggers(cell.records, cell.triggers, scores, ""), cell, cell.name)


def is_applicable(cell: ExperimentCell) -> bool:
    """Whether the cell's judge can judge any of its triggers.

    Args:
        cell: A configuration's records.
    """
    if APPLICABLE not in cell.triggers or not len(cell.triggers):
        return True
    applicable = cell.triggers[APPLICABLE].fillna(1.0).to_numpy(dtype=np.float64)
    return bool(applicable.any())
