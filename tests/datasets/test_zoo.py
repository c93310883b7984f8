"""A built zoo as the source of a run; the embedded one held to its manifest."""

import shutil
from dataclasses import replace

import pytest
import torch

from exray.attacks.all_to_all import AllToAllRecipe
from exray.datasets.zoo import ZooDataset, embedded_root, open_zoo, reach_of
from exray.errors import CheckpointError, RecordError
from exray.models.checkpoints.reader import file_sha256
from exray.storage.atomic_files import write_json
from exray.zoo.build import build_zoo
from exray.zoo.manifest import MANIFEST, RECIPE, Manifest

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def built(micro, tmp_path_factory):
    root = tmp_path_factory.mktemp("micro")
    build_zoo(micro, root, workers=1, accelerator="cpu", on_model=lambda _: None)
    return root


@pytest.fixture
def source(built, micro, tmp_path):
    root = tmp_path / "zoo"
    shutil.copytree(built, root)
    return ZooDataset(name="micro", root=str(root), recipe=micro)


def test_every_model_comes_with_samples_of_every_class(source):
    assert source.model_ids() == ("id-00000000", "id-00000001")
    for model_id in source.model_ids():
        model = source.load(model_id)
        assert list(model.samples.counts()) == [2, 2, 2]
        assert model.classifier.num_classes == 3
        assert model.architecture == "plain_cnn"
        logits = model.classifier.predict(model.samples.images)
        assert logits.shape == (6, 3)
        assert torch.isfinite(logits).all()


def test_loading_again_gives_the_same_images_and_other_models_have_others(source):
    first, again = (source.load("id-00000000").samples for _ in range(2))
    assert torch.equal(first.images, again.images)
    other = source.load("id-00000001").samples
    assert not torch.equal(first.images, other.images)


def test_a_zoo_that_is_being_built_has_what_is_finished(source):
    whole, finished = source.manifest(), source.fingerprint()
    entry = whole.models[0]
    write_json(source.root / entry.model_id / "entry.json", entry.to_dict())
    (source.root / MANIFEST).unlink()
    partial = ZooDataset(name="micro", root=str(source.root), recipe=source.recipe)
    assert partial.manifest().models == (entry,)
    assert partial.load(entry.model_id).architecture == "plain_cnn"
    assert partial.fingerprint() not in ("", finished)
    began = partial.fingerprint()
    second = whole.models[1]
    write_json(source.root / second.model_id / "entry.json", second.to_dict())
    grown = ZooDataset(name="micro", root=str(source.root), recipe=source.recipe)
    assert len(grown.model_ids()) == 2
    assert grown.fingerprint() == began  # a run over it goes on
    for path in source.root.glob("id-*/entry.json"):
        path.unlink()
    (source.root / RECIPE).unlink()
    nothing = ZooDataset(name="micro", root=str(source.root), recipe=source.recipe)
    assert nothing.fingerprint() == ""
    with pytest.raises(RecordError, match="does not exist"):
        nothing.manifest()


def test_an_attack_on_all_classes_has_a_pair_for_each(micro, tmp_path):
    attack = AllToAllRecipe(count=1, num_victims=1, poisoned_share=0.5, kept_share=0.0, side=(2, 2))
    recipe = replace(micro, num_clean=0, attacks={"all_to_all": attack})
    build_zoo(recipe, tmp_path, workers=1, accelerator="cpu", on_model=lambda _: None)
    zoo = ZooDataset(name="micro", root=str(tmp_path), recipe=recipe)
    (entry,) = zoo.manifest().models
    truth = zoo.truth(entry.model_id)
    assert truth.pairs == {(0, 1), (1, 2), (2, 0)}
    assert (truth.kind, truth.details["trigger_reach"]) == ("all_to_all", "all to all")
    assert truth.details["trigger_option"] == "2 px"
    assert entry.organization == "all_to_all"
    assert open_zoo(tmp_path).recipe == recipe


def test_the_truth_names_kind_victim_and_target(source):
    assert source.truth("id-00000000").is_trojaned is False
    assert "target_class" not in source.truth("id-00000000").to_dict()
    truth = source.truth("id-00000001")
    attack = source.manifest().entry("id-00000001").attack
    assert truth.is_trojaned is True
    assert truth.kind == "polygon"
    assert truth.pairs == {(attack.victim_classes[0], attack.target_class)}


def test_a_half_is_all_that_is_scanned_and_the_truth_names_it(built, micro):
    recipe = replace(micro, num_clean=2, attacks={})  # the first model tunes, the second reports
    halves = {}
    for half in ("tuning", "reporting"):
        source = ZooDataset(name="micro", root=str(built), recipe=recipe, half=half)
        halves[half] = source.model_ids()
        assert {source.truth(model_id).details["half"] for model_id in source.model_ids()} == {half}
    assert halves == {"tuning": ("id-00000000",), "reporting": ("id-00000001",)}


def test_the_truth_says_whether_a_zoo_is_kept_for_reporting(source, micro):
    assert source.truth("id-00000000").details["reserved"] is False
    reserved = ZooDataset(name="micro", root=str(source.root), recipe=micro, reserved=True)
    assert reserved.truth("id-00000000").details["reserved"] is True
    assert ZooDataset(name="signs_mini", root=None, recipe=micro).reserved


def test_the_truth_says_whether_a_trigger_is_universal(source):
    assert source.truth("id-00000001").details["trigger_reach"] == "1 victim"
    entry = source.manifest().entry("id-00000001")
    universal = replace(entry.attack, victim_classes=(0, 1), target_class=2)
    assert reach_of(replace(entry, attack=universal)) == "universal"
    with pytest.raises(ValueError, match="id-00000000 is clean"):
        reach_of(source.manifest().entry("id-00000000"))


def test_the_fingerprint_changes_with_the_manifest(source):
    before = source.fingerprint()
    manifest = source.manifest()
    changed = replace(manifest.models[0], sha256="0" * 64)
    replace(manifest, models=(changed, *manifest.models[1:])).write(source.root)
    assert source.fingerprint() != before
    (source.root / MANIFEST).unlink()
    assert source.fingerprint() == ""


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "truncated or damaged"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (
            lambda path: shutil.copy(path.parents[1] / "id-00000001" / path.name, path),
            r"is not the file of the manifest \(its SHA-256 differs\); build it again with",
        ),
    ],
)
def test_weights_other_than_the_manifests_are_refused(source, damage, message):
    damage(source.root / "id-00000000" / "model.safetensors")
    with pytest.raises(CheckpointError, match=message):
        source.load("id-00000000")
    source.load("id-00000001")


def test_a_folder_without_a_manifest_says_how_to_build_it(micro, tmp_path):
    source = ZooDataset(name="micro", root=str(tmp_path), recipe=micro)
    with pytest.raises(RecordError, match=r"does not exist; dataset.root names.*: python run.py"):
        source.model_ids()


def test_a_broken_manifest_is_named(micro, tmp_path):
    (tmp_path / MANIFEST).write_text("{")
    source = ZooDataset(name="micro", root=str(tmp_path), recipe=micro)
    with pytest.raises(RecordError, match=r"manifest.json is not a manifest"):
        source.model_ids()


def test_without_a_root_the_embedded_zoo_is_meant(micro):
    assert ZooDataset(name="signs_mini", root=None, recipe=micro).root == embedded_root(
        "signs_mini"
    )


@pytest.mark.skipif(
    not (embedded_root("signs_mini") / MANIFEST).is_file(),
    reason="the embedded zoo is not built yet: python run.py task=build_zoo dataset=signs_mini",
)
def test_the_embedded_zoo_is_the_one_of_its_manifest():
    root = embedded_root("signs_mini")
    models = Manifest.read(root).models
    for model in models:
        assert file_sha256(model.weights_path(root)) == model.sha256
    sizes = [path.stat().st_size for path in root.rglob("*") if path.is_file()]
    assert sum(sizes) <= 5_000_000
    assert len(models) >= 8
    assert sum(not model.is_trojaned for model in models) * 2 == len(models)
