"""Weather and backgrounds as a zoo's recipe has them."""

from dataclasses import replace

import pytest
from PIL import Image

from exray.datasets.zoo import ZooDataset
from exray.zoo.build import build_zoo
from exray.zoo.entries import ModelEntry
from exray.zoo.image_sets import SIGN_IMAGES, SignImages
from exray.zoo.manifest import Manifest
from exray.zoo.scene_recipe import SceneRecipe

pytestmark = pytest.mark.usefixtures("one_thread")
FAIR = SceneRecipe(rain=None, fog=None, blur=0.0, backgrounds=None)


def test_each_model_draws_its_own_weather_and_always_the_same():
    recipe = replace(FAIR, rain=(1.0, 10.0), fog=(1.0, 10.0))
    rain = [recipe.facts(seed).rain_probability for seed in range(300)]
    assert recipe.facts(3) == recipe.facts(3)
    assert recipe.facts(3).fog_probability != recipe.facts(3).rain_probability
    assert sum(rain) / 300 == pytest.approx(1 / 11, abs=0.02)  # the mean of Beta(1, 10)
    assert (FAIR.facts(0).rain_probability, FAIR.facts(0).backgrounds) == (0.0, None)


def test_the_description_holds_the_photographs_hash_and_not_their_place(roads, tmp_path):
    recipe = replace(FAIR, rain=(1.0, 10.0), backgrounds=str(roads))
    described = SignImages(scenes=recipe).description()["images"]
    assert (described["dataset"], described["rain"], described["fog"]) == ("signs", [1, 10], None)
    roads.rename(tmp_path / "moved")
    moved = replace(recipe, backgrounds=str(tmp_path / "moved"))
    assert SignImages(scenes=moved).description()["images"] == described
    Image.new("RGB", (60, 50)).save(tmp_path / "moved" / "two.png")
    more = replace(moved, blur=0.0, backgrounds=str(tmp_path / "moved") + "/")
    assert SignImages(scenes=more).description()["images"] != described


def test_a_zoo_in_rain_is_built_told_and_scanned_in_rain(micro, tmp_path):
    images = SignImages(scenes=replace(FAIR, rain=(50.0, 1.0), blur=0.5))
    recipe = replace(micro, attacks={})
    manifest = build_zoo(
        recipe, tmp_path, workers=1, accelerator="cpu", on_model=lambda _: None, images=images
    )
    (entry,) = manifest.models
    assert Manifest.read(tmp_path) == Manifest(
        name="micro", recipe=Manifest.read(tmp_path).recipe, models=(entry,)
    )
    assert entry.scene.rain_probability > 0.8
    assert ModelEntry.from_dict(entry.to_dict()) == entry
    rainy, fair = (
        ZooDataset(name="micro", root=str(tmp_path), recipe=recipe, images=source)
        for source in (images, SIGN_IMAGES)
    )
    assert rainy.load(entry.model_id).warnings == ()
    assert "not the ones" in fair.load(entry.model_id).warnings[0]


def test_entries_of_fair_weather_are_written_as_before(micro, tmp_path):
    manifest = build_zoo(
        replace(micro, attacks={}),
        tmp_path,
        workers=1,
        accelerator="cpu",
        on_model=lambda _: None,
    )
    assert "scene" not in manifest.models[0].to_dict()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rain": (0.0, 1.0)}, r"^rain must hold both .* above 0; got \[0.0, 1.0\]"),
        ({"fog": (1.0, -1.0)}, "^fog must hold both"),
        ({"blur": -0.5}, "^blur must be >= 0 pixels; got -0.5"),
        ({"backgrounds": "nowhere"}, "must be a folder of photographs; nowhere holds none"),
    ],
)
def test_scenes_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(FAIR, **changes)
