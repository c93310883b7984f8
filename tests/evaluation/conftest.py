"""Predictions made up for tests."""

import numpy as np
import pytest

from exray.evaluation.predictions import Predictions


def _make(truth, probability, *, bar=0.5, name="judge", ids=None):
    probability = np.asarray(probability, dtype=np.float64)
    return Predictions(
        name=name,
        model_ids=tuple(ids or (f"m{place}" for place in range(len(truth)))),
        is_trojaned=np.asarray(truth, dtype=bool),
        flagged=np.nan_to_num(probability, nan=0.0) >= bar,
        probability=probability,
    )


@pytest.fixture
def make_predictions():
    return _make


@pytest.fixture
def random_predictions():
    def make(seed, *, num_models=40, name="judge"):
        stream = np.random.default_rng(seed)
        truth = np.arange(num_models) % 2 == 0
        probability = np.clip(stream.normal(0.35 + 0.3 * truth, 0.25), 0, 1).round(1)  # ties
        return _make(truth, probability, name=name)

    return make
