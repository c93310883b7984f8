"""What every run logger does."""

import pytest

from exray.reports.loggers.base import NullLogger, RunLogger
from exray.reports.summaries import ways_of
from exray.results.collection import collect


def test_the_null_logger_writes_nothing(tmp_path, store):
    before = sorted(tmp_path.rglob("*"))
    logger, collection = NullLogger(), collect(store)
    for scan in collection.scans:
        logger.log_model(scan)
    logger.finish(collection)
    logger.finish_comparison(ways_of(collection), is_complete=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_logger_must_log_models_and_finish():
    class Silent(RunLogger):
        def log_model(self, scan):
            del scan

    with pytest.raises(TypeError, match=r"abstract methods '?finish'?, '?finish_comparison"):
        Silent()
