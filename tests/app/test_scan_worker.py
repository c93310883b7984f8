"""What a worker is made of is imported once for all, and nothing else that takes long."""

import pytest
from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.scan_worker import pool_settings
from exray.presets import conf_folder


def config(*words):
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return compose("config", overrides=["trainer=cpu", *words])


def test_workers_preload_what_they_scan_with_and_no_more():
    preload = pool_settings(config("scanner=abs", "judge=none")).preload
    scans = {"exray.scanners.abs.patches", "exray.judges.baselines.no_judge"}
    assert scans | {"exray.app.scan_worker", "exray.pipeline.settings"} <= set(preload)
    others = ("exray.repair", "exray.reports", "exray.evaluation")  # seconds, with Lightning
    assert not [name for name in preload if name.startswith(others)]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trainer.scan_workers=0", r"trainer\.scan_workers must be a whole number >= 1; got 0"),
        ("trainer.retries=-1", r"trainer\.retries must be a whole number >= 0; got -1"),
        ("trainer.time_limit=0", r"trainer\.time_limit must be null or seconds above 0; got 0"),
    ],
)
def test_settings_out_of_range_are_named_by_their_keys(word, message):
    with pytest.raises(ValueError, match=message):
        pool_settings(config(word))
