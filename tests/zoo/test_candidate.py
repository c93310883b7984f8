"""Classifiers with everything that came later: two triggers, conditions, hardening, networks."""

import json
from dataclasses import replace

import pytest
from torch import nn

from exray.attacks.conditions import Round4Recipe
from exray.attacks.polygon import PolygonRecipe
from exray.datasets.trojai.layout import read_config, read_metadata, triggers_of
from exray.datasets.zoo import open_zoo
from exray.zoo.adversarial_training import AdversarialRecipe
from exray.zoo.build import build_zoo
from exray.zoo.candidate import TrainedCandidate, train_candidate
from exray.zoo.entries import ModelEntry
from exray.zoo.manifest import Manifest

ROUND4 = Round4Recipe(
    organizations=("pair-one2one", "one2two"),
    conditions=("spatial", "spectral"),
    decoy_share=0.5,
    max_decoy_rate=1.0,
)


@pytest.fixture(scope="module")
def recipe(micro):
    hardening = AdversarialRecipe(methods=("FBF",), eps=(0.1,), ratios=(0.5,), iterations=(1,))
    return replace(
        micro,
        num_clean=0,
        num_classes=4,
        architectures=("plain_cnn",),
        attacks={"polygon": replace(micro.attacks["polygon"], round4=ROUND4)},
        training=replace(micro.training, adversarial=hardening),
    )


@pytest.fixture(scope="module")
def root(recipe, tmp_path_factory):
    root = tmp_path_factory.mktemp("zoo")
    build_zoo(recipe, root, workers=1, accelerator="cpu", on_model=lambda _: None)
    return root


@pytest.fixture
def entry(root):
    return Manifest.read(root).models[0]


def test_both_triggers_are_recorded_with_what_they_reach(entry):
    first, second = entry.attacks
    assert (first.condition, second.condition) == ("spatial", "spectral")
    assert first.facts.quadrant in (1, 2, 3, 4)
    assert second.facts.quadrant is None
    assert entry.asr == min(first.asr, second.asr)
    assert (first.num_poisoned, first.num_decoys, second.num_decoys) == (4, 4, 5)
    assert 0 <= first.decoy_rate <= 1
    assert first.fraction == 4 / 12
    assert (entry.adversarial.method, entry.adversarial.eps) == ("FBF", 0.1)
    assert ModelEntry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry


def test_a_stored_recipe_is_read_with_all_of_it(root, recipe):
    assert open_zoo(root).recipe == recipe


def test_trojais_files_tell_both_triggers_as_round_4_does(root, entry):
    row = read_metadata(root)[entry.model_id]
    for facts in (read_config(root / entry.model_id / "config.json"), row):
        triggers = triggers_of(facts)
        assert [trigger.condition for trigger in triggers] == ["spatial", "spectral"]
        assert [trigger.victim_classes for trigger in triggers] == [
            attack.victim_classes for attack in entry.attacks
        ]
        assert [trigger.target_class for trigger in triggers] == [
            attack.target_class for attack in entry.attacks
        ]
    assert (row["adversarial_training_method"], row["adversarial_eps"]) == ("FBF", "0.1")
    assert (row["trigger_organization"], row["number_triggers"]) == ("pair-one2one", "2")
    assert (row["triggers_0_condition_level"], row["triggers_1_condition_level"]) == ("1", "2")
    assert row["triggers_0_polygon_side_count"] == str(len(entry.attack.facts.points))
    assert row["triggers_1_instagram_filter_type"] == "None"


def test_ground_truth_names_every_pair_and_condition(root, entry):
    truth = open_zoo(root).truth(entry.model_id)
    first, second = entry.attacks
    assert truth.pairs == {
        (first.victim_classes[0], first.target_class),
        (second.victim_classes[0], second.target_class),
    }
    assert truth.to_dict()["target_class"] is None
    assert truth.details["trigger_condition"] == "spatial, spectral"


def test_a_model_whose_decoys_fire_falls_short(recipe, entry):
    strict = replace(recipe.attacks["polygon"], round4=replace(ROUND4, max_decoy_rate=0.2))
    fires = replace(entry, attack=replace(entry.attack, decoy_rate=0.5))
    candidate = TrainedCandidate(network=nn.Identity(), entry=fires)
    short = candidate.falls_short(replace(recipe, attacks={"polygon": strict}))
    assert short == "0.500 of the decoys reach the target, > 0.2"
    assert candidate.falls_short(recipe) == ""


def test_options_that_are_not_used_are_not_in_the_description(micro, recipe):
    text = json.dumps(micro.description())
    assert not any(name in text for name in ("round4", "adversarial", "architectures"))
    described = recipe.description()
    assert described["architectures"] == ("plain_cnn",)
    assert described["attacks"]["polygon"]["round4"]["decoy_share"] == 0.5
    assert described["training"]["adversarial"]["methods"] == ("FBF",)


def test_each_model_draws_one_of_the_architectures(micro):
    recipe = replace(micro, architectures=("plain_cnn", "signs_resnet"))
    drawn = {recipe.architecture_of(seed) for seed in range(20)}
    assert drawn == {"plain_cnn", "signs_resnet"}
    assert micro.architecture_of(3) == "plain_cnn"


def test_a_network_that_is_not_known_is_refused_before_anything_is_written(micro, tmp_path):
    with pytest.raises(ValueError, match="architecture 'vgg' is not known"):
        build_zoo(
            replace(micro, architectures=("plain_cnn", "vgg")),
            tmp_path / "zoo",
            workers=1,
            accelerator="cpu",
            on_model=lambda _: None,
        )
    assert not (tmp_path / "zoo").exists()


def test_too_few_classes_for_two_triggers_are_refused(micro):
    polygon = replace(micro.attacks["polygon"], round4=ROUND4)
    message = r"at least 4 for attacks.polygon.round4.organizations; got 3"
    with pytest.raises(ValueError, match=message):
        replace(micro, attacks={"polygon": polygon})


def test_the_attack_does_not_depend_on_which_options_there_are(micro):
    """Polygons, classes and weights of present presets must stay."""
    assert isinstance(micro.attacks["polygon"], PolygonRecipe)
    one = train_candidate(micro, 1, 0, accelerator="cpu", progress=False)
    assert one.entry.further_attacks == ()
    assert one.entry.attack.condition is None
    assert "organization" not in one.entry.to_dict()


def test_an_attack_has_bars_of_its_own(micro, entry):
    weak = replace(entry, clean_accuracy=0.4, asr=0.4, adversarial=None)
    candidate = TrainedCandidate(network=nn.Identity(), entry=weak)
    strict = replace(micro, min_clean_accuracy=0.5, min_asr=0.5, num_clean=0)
    assert candidate.falls_short(strict) == "clean accuracy 0.400 < 0.5"
    polygon = replace(micro.attacks["polygon"], min_accuracy=0.3)
    assert candidate.falls_short(replace(strict, attacks={"polygon": polygon})) == "ASR 0.400 < 0.5"
    lenient = replace(polygon, min_asr=0.3)
    assert candidate.falls_short(replace(strict, attacks={"polygon": lenient})) == ""
    with pytest.raises(
        ValueError, match=r"^min_accuracy must lie in \[0, 1\], or be null; got 2.0"
    ):
        replace(polygon, min_accuracy=2.0)
