"""Records and triggers that a run of the mini zoo has stored."""

from pathlib import Path

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
