"""Every file of conf/ composes, builds what it describes, and refuses a misspelt key."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict
from PIL import Image

from exray.app.config import register, settle_fast_values
from exray.app.instantiate import built
from exray.app.run_logging import built_logger
from exray.attacks.recipe import AttackRecipe
from exray.datasets.base import ModelDataset
from exray.judges.base import Judge
from exray.pipeline.settings import ScanSettings
from exray.pipeline.sharding import parse_shard
from exray.presets import conf_folder
from exray.reports.loggers.base import RunLogger
from exray.rules.calibration import TRACES
from exray.rules.calibration_files import SHIPPED_GROUPED, read_grouped_calibration
from exray.scanners.base import Scanner

FILES = sorted(conf_folder().rglob("*.yaml"))
GROUPS = sorted(
    path.relative_to(conf_folder())
    for path in FILES
    if path.parent != conf_folder() and path.relative_to(conf_folder()).parts[0] != "hydra"
)
SCANNERS = sorted(path.stem for path in (conf_folder() / "scanner").glob("*.yaml"))
COMPONENTS = {
    "dataset": ("dataset", ModelDataset),
    "scanner": ("scanner.engine", Scanner),
    "judge": ("judge.engine", Judge),
    "scan": ("scan", ScanSettings),
}
ATTACKS = [file for file in GROUPS if file.parts[0] == "attack"]
NEEDED = {
    "folder": [
        f"dataset.model={Path(__file__)}",
        f"dataset.images={Path(__file__).parent}",
        "dataset.architecture=plain_cnn",
    ],
    "cifar10": ["dataset.root=SPLITS"],
    "zoos_cifar10": ["dataset.root=SPLITS"],
    "zoos_cifar10_pairs": ["dataset.root=SPLITS"],
    "zoos_cifar10_reporting": ["dataset.root=SPLITS"],
    "zoos_cifar10_uneven": ["dataset.root=SPLITS"],
    "zoos_cifar10_semantic": ["dataset.root=SPLITS"],
    "zoos_cifar10_norm_free": ["dataset.root=SPLITS"],
    "semantic_cifar10": ["dataset.root=SPLITS"],
    "semantic_cifar10_full": ["dataset.root=SPLITS"],
    "hidden_trigger_imagenet": ["dataset.root=SPLITS", "dataset.recipe.num_classes=2"],
    **{f"table_{number}": ["dataset.root=SPLITS"] for number in range(4, 9)},
    "appendix_attacks": ["dataset.root=SPLITS"],
    "appendix_scanners": ["dataset.root=SPLITS"],
    "figure_21": ["dataset.root=SPLITS"],
    "figure_22": ["dataset.root=SPLITS"],
    "repairs_cifar10": ["dataset.root=SPLITS"],
    "external": ["scanner.triggers=SPLITS/found.npz"],
    "image_folder": ["dataset.root=SPLITS", "dataset.recipe.num_classes=2"],
    "trojai_r2": ["dataset.root=nowhere"],
    "trojai_r3": ["dataset.root=nowhere"],
    "trojai_r4": ["dataset.root=nowhere"],
}


def composed(*overrides):
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=list(overrides))
    settle_fast_values(config, overrides)
    return config


def words_for(file, folder):
    """Overrides that choose a group's file, with what it leaves to the user."""
    if file.parent.as_posix() == "attack":  # a section of a zoo's recipe
        recipe = f"dataset.recipe.attacks.{file.stem}"
        if file.stem == "polygon":  # the default zoo has it
            return ["dataset=signs_mini"]
        return [f"+attack@{recipe}={file.stem}", f"+{recipe}.count=1"]
    if file.parent.as_posix() in ("attack_set", "variations"):  # of the zoo of zoos
        return ["dataset=zoos_signs"]
    if file.parent.as_posix() == "mask":  # of exray's judges
        return [f"mask@judge.engine.mask={file.stem}"]
    if file.parent.as_posix() == "search":  # of the portfolio
        return ["scanner=portfolio", f"search@scanner.engine.searches.{file.stem}={file.stem}"]
    name = f"{file.parent.as_posix()}={file.stem}"
    for split in ("train", "test"):
        (folder / split).mkdir()
    np.savez(folder / "found.npz", triggers='{"triggers": []}')
    return [name, *(word.replace("SPLITS", str(folder)) for word in NEEDED.get(file.stem, []))]


def parts_of(config):
    return [(OmegaConf.select(config, key), kind) for key, kind in COMPONENTS.values()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(conf_folder())))
def test_every_file_is_short_and_says_what_it_is(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 40
    assert all(len(line) <= 110 for line in lines)


@pytest.mark.parametrize("file", GROUPS, ids=str)
def test_every_option_composes_and_its_components_are_built(file, tmp_path):
    config = composed(*words_for(file, tmp_path))
    for node, kind in parts_of(config):
        assert isinstance(built(node, kind), kind)
    if config.logger._target_.endswith("WandbLogger"):
        config.logger.mode = "disabled"
    logger = built_logger(config, tmp_path, "name", "")
    assert isinstance(logger, RunLogger)
    logger.finish(None)
    parse_shard(config.shard)
    assert config.trainer.workers >= 1


@pytest.mark.parametrize("file", [f for f in GROUPS if f.parts[0] in COMPONENTS], ids=str)
def test_a_misspelt_key_in_a_component_fails_by_name(file, tmp_path):
    key, kind = COMPONENTS[file.parts[0]]
    node = OmegaConf.select(composed(*words_for(file, tmp_path)), key)
    with open_dict(node):
        node.misspelt = 1
    with pytest.raises(ValueError, match=rf"{key} has no key 'misspelt'; it has: "):
        built(node, kind)


@pytest.mark.parametrize("group", ["scanner", "judge", "dataset", "scan"])
def test_a_missing_key_in_a_component_fails_by_name(group):
    key, kind = COMPONENTS[group]
    node = OmegaConf.select(composed(), key)
    first = next(str(name) for name in node if name != "_target_")
    with open_dict(node):
        del node[first]
    with pytest.raises(ValueError, match=f"{key}.{first} must be given"):
        built(node, kind)


@pytest.mark.parametrize("file", ATTACKS, ids=str)
def test_every_attack_becomes_one_of_a_zoos_recipe(file, tmp_path):
    source = built(composed(*words_for(file, tmp_path)).dataset, ModelDataset)
    attack = source.recipe.attacks[file.stem]
    assert isinstance(attack, AttackRecipe)
    assert attack.kind == file.stem
    assert attack.count


@pytest.mark.parametrize(("name", "num_trojaned"), [("cifar10", 36), ("glyphs", 42), ("signs", 42)])
def test_half_of_a_zoo_of_zoos_is_clean_and_its_halves_hold_every_attack(
    name, num_trojaned, tmp_path
):
    words = words_for(Path(f"dataset/zoos_{name}.yaml"), tmp_path)
    recipe = built(composed(*words).dataset, ModelDataset).recipe
    halves = {"tuning": Counter(), "reporting": Counter()}
    for place in recipe.places.values():
        halves[place.half][place.attack] += 1
    assert halves["tuning"] == halves["reporting"]
    assert recipe.num_clean == num_trojaned
    assert recipe.num_models == 2 * num_trojaned
    assert len(halves["tuning"]) == 11  # clean, and ten attacks
    assert list(recipe.training.variations) == [
        "plain",
        "augmented",
        "decayed",
        "smoothed",
        "overfitted",
        "hardened",
    ]  # the order decides what a seed draws


def test_a_search_of_the_portfolio_is_left_out_and_another_added():
    words = ("scanner=portfolio", "~scanner.engine.searches.warp")
    added = "+search@scanner.engine.searches.tiny=small_patch"
    for fast in ((), ("debug=fast",)):
        scanner = built(composed(*words, added, *fast).scanner.engine, Scanner)
        names = [search.name for search in scanner.searches]
        assert "warp" not in names
        assert names[-1] == "tiny"


@pytest.mark.parametrize("name", SHIPPED_GROUPED)
def test_a_shipped_calibration_knows_what_every_search_of_the_portfolio_finds(name):
    calibration = read_grouped_calibration(SHIPPED_GROUPED[name])
    for search in built(composed("scanner=portfolio").scanner.engine, Scanner).searches:
        for is_universal in (1.0,) if search.name == "many_targets" else (0.0, 1.0):
            assert calibration.group_of({f"is_{search.name}": 1.0, "is_universal": is_universal})


def test_the_judge_for_uneven_classes_weighs_no_trace_that_these_leave():
    config = composed("scanner=portfolio", "judge=exray_uneven")
    rule = built(config.judge.engine, Judge).for_scanner("portfolio").rule
    assert rule.weighs("stamped_gain")
    assert not any(rule.weighs(name) for name in TRACES if name != "stamped_gain")
    config = composed("scanner=portfolio", "judge=exray_calibrated")
    usual = built(config.judge.engine, Judge).for_scanner("portfolio").rule
    assert all(usual.weighs(name) for name in TRACES)


def test_signs_are_seen_in_weather_and_over_photographs(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "road.png")
    over = f"dataset.images.scenes.backgrounds={tmp_path}"
    for words in ((), (over,)):
        zoo = built(composed("dataset=signs_weather", *words).dataset, ModelDataset)
        assert zoo.images.scenes.rain == (1, 10)


def test_round_4s_triggers_and_adversarial_training_are_taken_up_and_left_out():
    recipe = built(composed("dataset=signs_round4").dataset, ModelDataset).recipe
    conditions = ("none", "spatial", "spectral", "class")
    assert recipe.attacks["polygon"].round4.conditions == conditions
    assert recipe.training.adversarial.eps == pytest.approx((4 / 255, 8 / 255, 16 / 255), abs=1e-4)
    places = ("dataset.recipe.training.adversarial", "dataset.recipe.attacks.polygon.round4")
    words = ("dataset=signs_round4", *(f"{place}=null" for place in places))
    plain = built(composed(*words).dataset, ModelDataset).recipe
    assert plain.attacks["polygon"].round4 is plain.training.adversarial is None


def test_the_two_zoos_differ_in_seed_size_place_and_further_attacks():
    mini, tuning = composed().dataset, composed("dataset=signs_tuning").dataset
    different = {key for key in tuning.recipe if mini.recipe.get(key) != tuning.recipe[key]}
    assert different == {"name", "num_clean", "attacks", "seed"}
    sizes = mini.recipe.num_clean + mini.recipe.attacks.polygon.count
    assert abs(mini.recipe.seed - tuning.recipe.seed) > sizes


def test_a_strangers_model_has_a_scanner_and_a_judge_of_its_own_unless_others_are_asked_for():
    words = ("dataset=folder", "dataset.model=a.pt", "dataset.images=b")
    for asked, scanner, judge in (
        ((), "portfolio", "exray_calibrated"),
        (("judge=exray",), "portfolio", "exray"),
        (("scanner=abs_both",), "abs_both", "exray_calibrated"),
        (("debug=fast",), "portfolio", "exray_calibrated"),
    ):
        config = composed(*words, *asked)
        assert (config.scanner.name, config.judge.name) == (scanner, judge)
    assert (composed().scanner.name, composed().judge.name) == ("abs", "exray")


def test_debugging_keeps_out_of_real_results():
    config = composed("debug=fast", "name=table_1")
    assert composed("debug=fast").name == "debug"
    assert config.limit == 1


@pytest.mark.parametrize("scanner", SCANNERS)
def test_debugging_works_with_every_scanner(scanner, tmp_path):
    (chosen,) = [file for file in GROUPS if file.parts[0] == "scanner" and file.stem == scanner]
    words = words_for(chosen, tmp_path)
    config = composed(*words, "debug=fast")
    assert isinstance(built(config.scanner.engine, Scanner), Scanner)
    assert (config.limit, config.scan.samples_per_class) == (1, 4)
    usual = composed(*words)
    assert "fast" not in usual.scanner
    assert "fast" not in config.scanner
    assert (config.scanner != usual.scanner) == (scanner != "external")  # which searches nothing
