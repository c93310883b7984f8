"""The paper's random forest over stored measurements: half the models train, half are judged."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from exray.evaluation.predictions import with_judge
from exray.evaluation.thresholds import tuning_half

INPUTS = (
    "m_distance_stamped_victim_target",
    "m_distance_stamped_target_target",
    "m_distance_victim_target",
    *(
        f"m_{whose}_logit_of_{which}"
        for which in ("victim", "stamped_victim", "target")
        for whose in ("victim", "target")
    ),
)
UNDECIDED = 0.5


def forest_scores(
    records: pd.DataFrame, triggers: pd.DataFrame, *, trees: int, seed: int
) -> Float[ndarray, " n"]:
    """The forest's probability that each trigger is injected, from a forest that never saw it.

    A trigger of a trojaned model is an example of an injected one if it goes from a true victim to
    the true target, where that is known, and else because its model is trojaned. Triggers of one
    model stay in one half.

    Args:
        records: A row per record with ground truth.
        triggers: A row per trigger with the measurements of ``judge=random_forest``.
        trees: Of each forest.
        seed: Of the halves and of the forests.

    Returns:
        A probability for each trigger; one half where its own half's counterpart holds only one
        kind, or its model has no known truth.

    Raises:
        ValueError: If the measurements are not the forest's.

    Source: EX-RAY, section 4.1, second baseline.
    """
    missing = [name for name in INPUTS if name not in triggers]
    if missing:
        raise ValueError(
            f"the stored triggers have no {missing[0].removeprefix('m_')}; rejudge a run of "
            "judge=random_forest"
        )
    predictions = with_judge(records)
    half = tuning_half(predictions.is_trojaned, seed=seed)
    side = dict(zip(predictions.model_ids, half.tolist(), strict=True))
    sides = triggers["model_id"].astype(str).map(side)
    labels = _labels(
        triggers, dict(zip(predictions.model_ids, predictions.is_trojaned.tolist(), strict=True))
    )
    scores = np.full(len(triggers), UNDECIDED)
    for this in (True, False):
        train = (sides == (not this)).to_numpy(dtype=bool)
        judged = (sides == this).to_numpy(dtype=bool)
        if judged.any() and len(np.unique(labels[train])) == 2:
            scores[judged] = _fitted_scores(
                triggers, labels, train=train, judged=judged, trees=trees, seed=seed
            )
    return scores


def _labels(triggers: pd.DataFrame, is_trojaned: dict[str, bool]) -> Bool[ndarray, " n"]:
    """Whether each trigger is an example of an injected one."""
    of_model = triggers["model_id"].astype(str).map(is_trojaned)
    known = triggers["is_true_trigger"].astype("boolean").fillna(of_model.astype("boolean"))
    return known.fillna(False).to_numpy(dtype=bool)


def _fitted_scores(
    triggers: pd.DataFrame,
    labels: Bool[ndarray, " n"],
    *,
    train: Bool[ndarray, " n"],
    judged: Bool[ndarray, " n"],
    trees: int,
    seed: int,
) -> Float[ndarray, " m"]:
    from sklearn.ensemble import RandomForestClassifier  # takes over a second to import

    inputs = triggers[list(INPUTS)].to_numpy(dtype=np.float64)
    forest = RandomForestClassifier(n_estimators=trees, random_state=seed)
    forest.fit(inputs[train], labels[train])
    scores: Float[ndarray, " m"] = forest.predict_proba(inputs[judged])[:, 1]
    return scores
