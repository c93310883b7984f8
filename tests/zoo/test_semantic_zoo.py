"""Zoos of attacks that take part in the training, from their yaml on."""

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.instantiate import built
from exray.attacks.recipe import AttackRecipe
from exray.datasets.zoo import open_zoo
from exray.presets.conf import conf_folder
from exray.zoo.build import build_zoo

pytestmark = pytest.mark.usefixtures("one_thread")
ATTACKS = ("composite", "hidden_trigger", "input_aware", "adaptive", "disguised_patch")


@pytest.fixture(scope="module")
def attacks():
    register()
    words = [f"+attack@dataset.recipe.attacks.{name}={name}" for name in ATTACKS]
    counts = [f"+dataset.recipe.attacks.{name}.count=1" for name in ATTACKS]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=[*words, *counts])
    return {name: built(config.dataset.recipe.attacks[name], AttackRecipe) for name in ATTACKS}


def test_each_is_trained_recorded_and_read_again(attacks, micro, tmp_path):
    shorter = {
        "hidden_trigger": replace(attacks["hidden_trigger"], steps=2),
        "disguised_patch": replace(attacks["disguised_patch"], steps=2),
    }
    recipe = replace(micro, num_classes=4, attacks={**attacks, **shorter})
    manifest = build_zoo(recipe, tmp_path, workers=1, accelerator="cpu", on_model=lambda _: None)
    assert {entry.attack.kind for entry in manifest.models if entry.attack} == set(ATTACKS)
    assert open_zoo(tmp_path).recipe == recipe
    for entry in manifest.models:
        assert entry.is_trojaned == (entry.asr is not None)
