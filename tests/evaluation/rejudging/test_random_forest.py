"""The forest learns what separates triggers, never from the models that it judges."""

import numpy as np
import pandas as pd
import pytest

from exray.evaluation.rejudging.random_forest import INPUTS, forest_scores


def zoo(*, telling, num_models=24, seed=0):
    """Two triggers a model; of trojaned models the first is the injected one."""
    stream = np.random.default_rng(seed)
    ids = [f"m{place}" for place in range(num_models)]
    trojaned = [place % 2 == 0 for place in range(num_models)]
    records = pd.DataFrame(
        {
            "model_id": ids,
            "status": "done",
            "verdict": "trojaned",
            "probability": 0.5,
            "num_triggers": 2,
            "is_trojaned": pd.array(trojaned, dtype="boolean"),
        }
    )
    true = np.array([[is_trojaned, False] for is_trojaned in trojaned]).ravel()
    triggers = pd.DataFrame(
        {name: stream.normal(size=2 * num_models) for name in INPUTS}
        | {"model_id": np.repeat(ids, 2), "is_true_trigger": pd.array(true, dtype="boolean")}
    )
    for name in INPUTS[:3]:
        triggers[name] += telling * true
    return records, triggers, true


def test_a_telling_distance_is_learnt():
    records, triggers, true = zoo(telling=8.0)
    scores = forest_scores(records, triggers, trees=20, seed=0)
    assert scores[true].min() > 0.5 > scores[~true].max()


def test_noise_is_not_learnt_from_the_models_judged():
    hits = []
    for seed in range(3):
        records, triggers, true = zoo(telling=0.0, num_models=40, seed=seed)
        scores = forest_scores(records, triggers, trees=10, seed=seed)
        hits.append(scores[true].mean() - scores[~true].mean())
    assert abs(np.mean(hits)) < 0.1  # a forest that had seen them would give about 0.5


def test_without_known_pairs_a_trojaned_models_triggers_are_the_examples():
    records, triggers, true = zoo(telling=8.0)
    unknown = triggers.assign(is_true_trigger=pd.array([pd.NA] * len(triggers), dtype="boolean"))
    scores = forest_scores(records, unknown, trees=20, seed=0)
    assert scores[true].mean() > scores[~true].mean() + 0.2


def test_one_kind_of_example_decides_nothing():
    records, triggers, _ = zoo(telling=8.0)
    clean = records.assign(is_trojaned=pd.array([False] * len(records), dtype="boolean"))
    scores = forest_scores(clean, triggers.assign(is_true_trigger=False), trees=5, seed=0)
    assert scores.tolist() == [0.5] * len(triggers)


def test_measurements_that_are_missing_are_named():
    records, triggers, _ = zoo(telling=1.0)
    with pytest.raises(ValueError, match="no victim_logit_of_target; rejudge a run of"):
        forest_scores(records, triggers.drop(columns="m_victim_logit_of_target"), trees=5, seed=0)
