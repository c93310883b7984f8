"""Thresholds are chosen on no model that is kept for reporting."""

import pytest

from exray.evaluation.reserved_models import refuse_reserved
from exray.results.collection import collect
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict


@pytest.fixture
def stored(tmp_path):
    """A run of one configuration with a record for each model's ground truth."""

    def store(config, truths):
        run = ResultStore(tmp_path / "run")
        run.claim("r", config)
        for model_id, truth in truths.items():
            record = ScanRecord(
                model_id=model_id,
                run_id="r",
                status="done",
                verdict=Verdict.CLEAN,
                probability=0.1,
                truth=truth,
            )
            run.write(ModelScan(record=record))
        return run

    return store


def test_a_reserved_model_is_named_and_refused(stored):
    store = stored({}, {"a": {"reserved": False}, "b": {"reserved": True}})
    with pytest.raises(ValueError, match="run holds b, which is kept for reporting; choose on a"):
        refuse_reserved(collect(store), store)


def test_the_half_for_reporting_is_refused_whatever_its_records_say(stored):
    store = stored({"dataset": {"half": "reporting"}}, {"a": {"reserved": False}})
    with pytest.raises(ValueError, match="holds a, which is kept for reporting"):
        refuse_reserved(collect(store), store)


@pytest.mark.parametrize("half", [None, "tuning"])
def test_other_models_are_not_refused(stored, half):
    store = stored({"dataset": {"half": half}}, {"a": {"reserved": False}, "b": {}})
    refuse_reserved(collect(store), store)
