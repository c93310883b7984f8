"""Building a zoo: resumes, holds its folder, keeps its bars."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from exray.attacks.instagram import InstagramRecipe
from exray.attacks.patch import PatchRecipe
from exray.datasets.zoo import open_zoo
from exray.errors import RecordError
from exray.models.architectures.registry import build
from exray.models.checkpoints.reader import file_sha256
from exray.zoo import build as zoo_build
from exray.zoo import candidate as zoo_candidate
from exray.zoo.build import build_zoo
from exray.zoo.image_sets import SIGN_IMAGES
from exray.zoo.manifest import Manifest
from exray.zoo.poisoning import clean_images
from exray.zoo.training import hit_rate

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def trained(monkeypatch):
    """Indices of the classifiers that were trained, in order."""
    indices = []
    original = zoo_build.train_candidate

    def counted(recipe, index, attempt, **options):
        indices.append(index)
        return original(recipe, index, attempt, **options)

    monkeypatch.setattr(zoo_build, "train_candidate", counted)
    return indices


def built(recipe, root, workers=1):
    seen = []
    manifest = build_zoo(
        recipe, root, workers=workers, accelerator="cpu", on_model=lambda e: seen.append(e.model_id)
    )
    assert sorted(seen) == [model.model_id for model in manifest.models]
    return manifest


def without_times(manifest):
    return [replace(model, training_seconds=0.0) for model in manifest.models]


def test_a_zoo_holds_what_its_recipe_says(micro, tmp_path, trained):
    manifest = built(micro, tmp_path)
    assert trained == [0, 1]
    assert Manifest.read(tmp_path) == Manifest(
        name="micro", recipe=Manifest.read(tmp_path).recipe, models=manifest.models
    )
    clean, trojaned = manifest.models
    assert not clean.is_trojaned
    assert clean.asr is None
    assert trojaned.is_trojaned
    assert 0 <= trojaned.asr <= 1
    assert trojaned.attack.num_poisoned == 4
    for model in manifest.models:
        path = model.weights_path(tmp_path)
        assert file_sha256(path) == model.sha256
        network = build(model.architecture, num_classes=3).eval()
        network.load_state_dict(load_file(path))
        source = SIGN_IMAGES.of_model(model.image_facts, split="test")
        data = clean_images(source, per_class=2, seed=0)
        assert 0 <= hit_rate(network, data) <= 1
    assert not list(tmp_path.rglob("entry.json"))
    assert not list(tmp_path.rglob("*.tmp"))


def test_only_a_lost_model_is_trained_again_and_comes_out_the_same(micro, tmp_path, trained):
    first = built(micro, tmp_path)
    first.models[1].weights_path(tmp_path).unlink()
    trained.clear()
    again = built(micro, tmp_path)
    assert trained == [1]
    assert without_times(again) == without_times(first)


def test_a_damaged_model_is_trained_again(micro, tmp_path, trained):
    recipe = replace(micro, attacks={})
    path = built(recipe, tmp_path).models[0].weights_path(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    trained.clear()
    built(recipe, tmp_path)
    assert trained == [0]


def test_a_finished_zoo_is_not_trained_again(micro, tmp_path, trained):
    recipe = replace(micro, attacks={})
    first = built(recipe, tmp_path)
    assert built(recipe, tmp_path).models == first.models
    assert trained == [0]


def test_a_killed_build_goes_on_where_it_stopped(micro, tmp_path, trained, monkeypatch):
    counted = zoo_build.train_candidate

    def killed(recipe, index, attempt, **options):
        if index == 1:
            raise KeyboardInterrupt
        return counted(recipe, index, attempt, **options)

    monkeypatch.setattr(zoo_build, "train_candidate", killed)
    with pytest.raises(KeyboardInterrupt):
        built(micro, tmp_path)
    assert not (tmp_path / "manifest.json").exists()
    monkeypatch.setattr(zoo_build, "train_candidate", counted)
    assert len(built(micro, tmp_path).models) == 2
    assert trained == [0, 1]


def test_a_folder_of_another_recipe_is_not_touched(micro, tmp_path, trained):
    recipe = replace(micro, attacks={})
    built(recipe, tmp_path)
    message = r"recipe.json is of another recipe \(it differs in seed, training\); choose another"
    with pytest.raises(RecordError, match=message):
        built(
            replace(recipe, seed=8, training=replace(recipe.training, epochs=2)), tmp_path
        )  # fmt: skip
    assert trained == [0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 8}, "image_size must be at least 16 pixels; got 8"),
        ({"family_sizes": (1, 13)}, "got 3 classes in families of 13"),
        ({"architecture": "vgg"}, "architecture 'vgg' is not known; known: grey_cnn"),
    ],
)
def test_what_cannot_be_built_is_refused_before_the_folder_is_claimed(
    micro, tmp_path, changes, message
):
    with pytest.raises(ValueError, match=message):
        built(replace(micro, **changes), tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


SHARES = {"count": 1, "num_victims": 1, "poisoned_share": 0.5, "kept_share": 0.25}


def test_a_zoo_grows_by_further_attacks_and_keeps_what_it_has(micro, tmp_path, trained):
    first = built(replace(micro, attacks={}), tmp_path)
    trained.clear()
    filters = InstagramRecipe(filters=("Lomo", "Gotham"), **SHARES)
    built(replace(micro, attacks={"instagram": filters}), tmp_path)
    patch = PatchRecipe(side=(3, 4), **SHARES)
    recipe = replace(micro, attacks={"instagram": replace(filters, count=2), "patch": patch})
    grown = built(recipe, tmp_path)
    assert trained == [10_000, 30_000, 10_001]  # every kind in turn
    assert grown.models[0] == first.models[0]
    attacks = [model.attack for model in grown.models[1:]]
    assert [(attack.kind, attack.option) for attack in attacks[:2]] == [
        ("instagram", "Lomo"),
        ("instagram", "Gotham"),
    ]
    assert attacks[2].kind == "patch"
    assert Manifest.read(tmp_path).models == grown.models
    assert open_zoo(tmp_path).recipe == recipe


def test_a_zoo_does_not_shrink_nor_change_its_attacks(micro, tmp_path):
    filters = InstagramRecipe(filters=("Lomo",), **SHARES)
    recipe = replace(micro, num_clean=0, attacks={"instagram": filters})
    built(recipe, tmp_path)
    other = replace(filters, poisoned_share=1.0, count=2)
    with pytest.raises(RecordError, match=r"differs in attacks.instagram\)"):
        built(replace(recipe, attacks={"instagram": other}), tmp_path)
    with pytest.raises(RecordError, match=r"differs in attacks.instagram\)"):
        built(replace(recipe, num_clean=1, attacks={}), tmp_path)


def test_clean_models_become_more_where_no_attack_alternates_with_them(micro, tmp_path, trained):
    recipe = replace(micro, attacks={})
    first = built(recipe, tmp_path)
    grown = built(replace(recipe, num_clean=2), tmp_path)
    assert trained == [0, 1]
    assert grown.models[0] == first.models[0]
    with pytest.raises(RecordError, match=r"differs in num_clean\)"):
        built(recipe, tmp_path)


def test_more_clean_models_that_alternate_with_an_attack_are_another_zoo(micro, tmp_path):
    built(micro, tmp_path)
    with pytest.raises(RecordError, match=r"differs in num_clean\)"):
        built(replace(micro, num_clean=2), tmp_path)


def test_more_of_the_attack_that_alternates_with_the_clean_models_is_another_zoo(micro, tmp_path):
    built(micro, tmp_path)
    more = {"polygon": replace(micro.attacks["polygon"], count=2)}
    with pytest.raises(RecordError, match=r"differs in attacks.polygon\)"):
        built(replace(micro, attacks=more), tmp_path)


def test_a_build_that_format_1_began_goes_on(micro, tmp_path, trained):
    recipe = replace(micro, attacks={})
    built(recipe, tmp_path)
    stored = json.loads((tmp_path / "recipe.json").read_text())
    assert stored.pop("attacks") == {}
    old = {**stored, "num_polygon": 0, "polygon": {"sides": [3, 5]}}
    (tmp_path / "recipe.json").write_text(json.dumps(old))
    built(recipe, tmp_path)
    assert trained == [0]


@pytest.mark.parametrize(
    ("bar", "named"),
    [("min_clean_accuracy", "clean accuracy"), ("min_class_accuracy", "worst class")],
)
def test_a_classifier_below_a_bar_is_given_up_after_all_attempts(
    micro, tmp_path, trained, bar, named
):
    recipe = replace(micro, attacks={}, **{bar: 1.0})
    message = rf"no classifier 0 of zoo micro met the bars in 2 attempts \(last: {named} 0.\d+ < 1"
    with pytest.raises(RuntimeError, match=message):
        built(recipe, tmp_path)
    assert trained == [0, 0]
    assert not list(tmp_path.rglob("model.safetensors"))


def test_a_recipe_may_leave_out_a_classifier_that_never_meets_its_bars(micro, tmp_path, trained):
    impossible = replace(micro.attacks["polygon"], min_asr=1.0)
    recipe = replace(
        micro,
        max_attempts=1,
        leave_out_failures=True,
        attacks={"polygon": replace(impossible, poisoned_share=0.01)},
    )
    manifest = built(recipe, tmp_path)
    assert [model.model_id for model in manifest.models] == ["id-00000000"]
    assert manifest.left_out == ("id-00000001",)
    assert Manifest.read(tmp_path).left_out == ("id-00000001",)
    reason = json.loads((tmp_path / "id-00000001" / "left_out.json").read_text())["reason"]
    assert "ASR" in reason
    trained.clear()
    assert built(recipe, tmp_path) == manifest
    assert trained == []  # a failure is not tried again


def test_a_part_of_a_build_holds_every_kind(micro):
    patch = PatchRecipe(side=(3, 4), **{**SHARES, "count": 4})
    recipe = replace(micro, num_clean=4, attacks={"patch": patch})
    assert zoo_build._build_order(recipe) == [0, 30_000, 1, 30_001, 2, 30_002, 3, 30_003]


def test_an_attack_below_its_bar_is_given_up(micro, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo_candidate, "_asr", lambda *_: 0.5)
    recipe = replace(micro, num_clean=0, min_asr=0.9, max_attempts=1)
    with pytest.raises(RuntimeError, match=r"last: ASR 0.500 < 0.9\); lower min_"):
        built(recipe, tmp_path)


def test_attempts_differ_and_the_accepted_seed_is_recorded(micro, tmp_path, monkeypatch):
    original = zoo_build.TrainedCandidate.falls_short
    monkeypatch.setattr(
        zoo_build.TrainedCandidate,
        "falls_short",
        lambda self, recipe: "on purpose" if self.entry.attempts == 1 else original(self, recipe),
    )
    (entry,) = built(replace(micro, attacks={}), tmp_path).models
    assert (entry.attempts, entry.seed) == (2, micro.seed + 1_000_000)


def test_building_leaves_the_random_state_alone(micro, tmp_path):
    before = torch.get_rng_state()
    built(replace(micro, attacks={}), tmp_path)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.slow
def test_processes_side_by_side_build_the_same_zoo(micro, tmp_path):
    alone = built(micro, tmp_path / "alone")
    together = built(micro, tmp_path / "together", workers=2)
    assert without_times(together) == without_times(alone)
