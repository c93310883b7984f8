"""Records and triggers: a stored run of the mini zoo, and a drawn one of scanner=portfolio."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SIGNS_MINI = Path(__file__).parents[3] / "experiments" / "signs_mini"


@pytest.fixture(scope="module")
def records():
    types = {"is_trojaned": "boolean", "scanner_flags": "boolean"}
    return pd.read_csv(SIGNS_MINI / "records.csv", dtype=types)


@pytest.fixture(scope="module")
def triggers():
    return pd.read_csv(SIGNS_MINI / "triggers.csv")


def drawn_zoo(*, telling=6.0, num_models=48, seed=0):
    """Four triggers a model, half universal; of trojaned models the injected one is stronger.

    Two families, and a patch or a picture in turn; pictures are label-specific.
    """
    stream = np.random.default_rng(seed)
    ids = [f"m{place}" for place in range(num_models)]
    trojaned = np.arange(num_models) % 2 == 0
    kinds = np.where(np.arange(num_models) % 4 == 0, "patch", "blend")
    records = pd.DataFrame(
        {
            "model_id": ids,
            "judge": "exray",
            "status": "done",
            "scanner": "portfolio",
            "verdict": "natural-only",
            "probability": 0.4,
            "num_triggers": 4,
            "dataset": np.where(np.arange(num_models) < num_models // 2, "signs", "glyphs"),
            "trigger_kind": np.where(trojaned, kinds, ""),
            "trigger_reach": np.where(trojaned, np.where(kinds == "patch", "universal", "1"), ""),
            "is_trojaned": pd.array(trojaned, dtype="boolean"),
            "scanner_flags": pd.array([True] * num_models, dtype="boolean"),
        }
    )
    count = 4 * num_models
    model, place = np.arange(count) // 4, np.arange(count) % 4
    true = trojaned[model] & (place == np.where(kinds[model] == "patch", 0, 3))
    triggers = pd.DataFrame(
        {
            "model_id": np.array(ids)[model],
            "victim_class": 0,
            "target_class": 1 + place,
            "is_true_trigger": pd.array(true, dtype="boolean"),
            "m_is_universal": np.where(place < 2, 1.0, 0.0),
            "m_is_patch": np.where(place % 2 == 0, 1.0, np.nan),
            "m_is_picture": np.where(place % 2 == 1, 1.0, np.nan),
            "m_strength": stream.normal(size=count) * 2 + telling * true,
            "m_margin_wide": stream.normal(size=count),
            "m_reverse_strength": np.where(place < 2, np.nan, stream.normal(size=count)),
        }
    )
    return records, triggers
