"""Components by name without Hydra, whose compositions they must equal."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from exray.app.config import register
from exray.presets.conf import conf_folder, option_names
from exray.presets.presets import component_named, option_of, option_values

NEEDED = {"external": {"triggers": "found.npz"}}


def composed(group, name):
    register()
    words = [f"{group}={name}", "seed=3", "layer.name=layer2"]
    words += ["scanner.triggers=found.npz"] if name == "external" else []
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose("config", overrides=words)[group], resolve=True)


@pytest.mark.parametrize("group", ["scanner", "judge"])
def test_values_are_those_that_hydra_composes(group):
    for name in option_names(group):
        values = option_values(group, name, seed=3, layer="layer2", **NEEDED.get(name, {}))
        assert values == composed(group, name), name


def test_changes_reach_the_component_by_nested_keys():
    assert component_named("judge", "exray", layer="relu").layer == "relu"
    mask = option_values("judge", "exray", mask__epochs=7, seed=5)["engine"]["mask"]
    assert (mask["epochs"], mask["seed"]) == (7, 5)
    both = option_values("scanner", "abs_both", patch__probe__targets_per_victim=2)
    assert both["engine"]["patch"]["probe"]["targets_per_victim"] == 2


def test_a_component_knows_the_option_that_names_its_class():
    for name in ("abs", "abs_both", "k_arm", "portfolio"):
        assert option_of("scanner", component_named("scanner", name)) == name
    assert option_of("scanner", component_named("scanner", "abs_r2")) == "abs"
    assert option_of("scanner", object()) == "object"


def test_tuples_and_paths_are_taken_as_values(tmp_path):
    values = option_values("scanner", "abs", inversion__betas=(0.5, 0.9))
    assert values["engine"]["inversion"]["betas"] == [0.5, 0.9]
    values = option_values("scanner", "external", triggers=tmp_path)
    assert values["engine"]["triggers"] == str(tmp_path)


@pytest.mark.parametrize(
    ("group", "name", "changes", "said"),
    [
        ("judge", "exrey", {}, "judge has no option 'exrey'; it has: deeplift, exray"),
        ("judges", "exray", {}, "judges has no option 'exray'; it has: none"),
        ("judge", "exray", {"mask__epoch": 1}, "judge=exray has no key 'mask.epoch'; it has: obj"),
        ("judge", "l2", {"mask": 1}, "judge=l2 has no key 'mask'; it has: layer, rule"),
        ("judge", "exray", {"mask__epochs": "a"}, "exray.mask.epochs must be a whole number"),
        ("scanner", "external", {}, "scanner=external leaves open what must be given: triggers"),
        ("layer", "middle", {}, "layer=middle describes values, not a component"),
    ],
)
def test_mistakes_name_the_parameter(group, name, changes, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        component_named(group, name, **changes)
