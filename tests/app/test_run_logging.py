"""What a logger is told of the run."""

import pytest
from omegaconf import OmegaConf

from exray.app.run_logging import built_logger
from exray.reports.loggers.base import NullLogger


@pytest.fixture
def config():
    return OmegaConf.create(
        {
            "logger": {"needs_run": True, "_target_": "exray.reports.loggers.wandb.WandbLogger"},
            "shard": "0/1",
            "worker": 0,
            **{group: {"name": group} for group in ("dataset", "scanner", "judge")},
        }
    )


@pytest.fixture
def given(monkeypatch):
    values = {}
    monkeypatch.setattr(
        "exray.app.run_logging.built", lambda node, _: values.update(node) or NullLogger()
    )
    return values


def test_a_cell_keeps_its_key_and_is_grouped_by_its_sweep(config, given, tmp_path):
    config.worker = 2
    built_logger(config, tmp_path, "sweep", "judge=none")
    assert (given["name"], given["group"]) == ("judge=none worker 2", "sweep")
    assert given["job_type"] == "judge"
    assert given["key"] == f"{tmp_path} worker 2"


def test_a_comparison_is_a_log_of_its_own_each_time(config, given, tmp_path):
    built_logger(config, tmp_path, "sweep", "", job_type="comparison")
    assert (given["name"], given["job_type"], given["key"]) == (
        "sweep comparison",
        "comparison",
        "",
    )


def test_a_logger_that_needs_no_run_is_built_as_it_is(tmp_path):
    target = "exray.reports.loggers.base.NullLogger"
    config = OmegaConf.create({"logger": {"needs_run": False, "_target_": target}})
    assert isinstance(built_logger(config, tmp_path, "run", ""), NullLogger)
