"""The root configuration: fast values, and what makes two runs the same."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from exray.app.config import (
    TASK_NAMES,
    RootConfig,
    identity,
    register,
    run_id,
    settle_fast_values,
)
from exray.app.tasks import TASKS
from exray.presets import conf_folder


def composed(*overrides):
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=list(overrides))
    settle_fast_values(config, overrides)
    return config


def test_the_command_line_wins_over_a_scanners_fast_values():
    config = composed("debug=fast", "scanner.engine.min_asr=0.75")
    assert config.scanner.engine.min_asr == 0.75
    assert config.scanner.engine.stimulation.targets_per_victim == 1
    whole = composed("debug=fast", "scanner.engine.stimulation={layer: middle}")
    assert whole.scanner.engine.stimulation.targets_per_victim == 7


def test_a_runs_identity_ignores_what_changes_no_result():
    plain = identity(composed(), "hash")
    same = composed("trainer=cpu", "logger=wandb", "paths.results=x", "name=x", "limit=1")
    assert run_id(identity(same, "hash")) == run_id(plain)
    others = (("seed=1",), ("judge=none",), ("layer=last_conv",), ("scan.samples_per_class=3",))
    ids = {run_id(identity(composed(*words), "hash")) for words in others}
    ids |= {run_id(plain), run_id(identity(composed(), "other files"))}
    assert len(ids) == 6


def test_moved_code_changes_no_identity():
    plain, moved = composed(), composed("scanner=abs")
    target = str(plain.scanner.engine._target_)
    moved.scanner.engine._target_ = target.replace("exray.", "exray.elsewhere.")
    assert run_id(identity(moved, "hash")) == run_id(identity(plain, "hash"))
    moved.scanner.engine._target_ = f"{target}Other"
    assert run_id(identity(moved, "hash")) != run_id(identity(plain, "hash"))


def nested(fast):
    """A scanner with a fast block at its root and one a level below."""
    engine = {"steps": 9, "inner": {"rounds": 7, "fast": {"rounds": 1}}, "fast": {"steps": 2}}
    return OmegaConf.create({"scanner": {"engine": engine}, "fast": fast})


@pytest.mark.parametrize(
    ("fast", "overrides", "values"),
    [
        (False, [], (9, 7)),
        (True, [], (2, 1)),
        (True, ["scanner.engine.steps=9"], (9, 1)),
        (True, ["+scanner.engine.inner={rounds: 7}"], (2, 7)),
        (True, ["scanner.engine.step=9"], (2, 1)),  # no part of a name is a key
    ],
)
def test_fast_blocks_are_merged_where_they_stand_and_dropped(fast, overrides, values):
    config = nested(fast)
    settle_fast_values(config, overrides)
    engine = config.scanner.engine
    assert (engine.steps, engine.inner.rounds) == values
    assert "fast" not in engine
    assert "fast" not in engine.inner


def test_every_task_has_a_name_and_every_name_a_task():
    assert tuple(sorted(TASKS)) == tuple(sorted(TASK_NAMES))


def test_the_schema_has_the_root_keys_alone():
    assert set(composed()) <= set(RootConfig.__dataclass_fields__)
