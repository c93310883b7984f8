"""The preset for GPUs, at a size that trains in a second."""

import pytest
from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.instantiate import built
from exray.datasets.zoo import ZooDataset, open_zoo
from exray.models.architectures.libraries import TROJAI_ARCHITECTURES
from exray.presets import conf_folder
from exray.zoo.build import build_zoo

TINY = (
    "num_clean=1 attacks.polygon.count=1 attacks.instagram.count=0 attacks.blend.count=0 "
    "attacks.patch.count=0 num_classes=3 image_size=32 "
    "family_sizes=[1] architectures=[shufflenet_v2_x1_0,squeezenet1_1] min_clean_accuracy=0 "
    "min_class_accuracy=0 min_asr=0 samples_per_class=2 training.epochs=1 training.batch_size=4 "
    "training.images_per_class=4 training.test_per_class=2"
)


def preset(root, *words):
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", ["dataset=signs_full", f"dataset.root={root}", *words])
    return built(config.dataset, ZooDataset)


def test_every_architecture_of_trojai_is_in_the_list():
    recipe = preset("nowhere").recipe
    assert set(recipe.architectures) == set(TROJAI_ARCHITECTURES)
    drawn = {recipe.architecture_of(recipe.seed + index) for index in recipe.places}
    assert len(drawn) > 12
    assert recipe.image_size == 224


@pytest.mark.usefixtures("one_thread")
def test_a_tiny_one_is_built_and_can_be_scanned(tmp_path):
    source = preset(tmp_path, *(f"dataset.recipe.{word}" for word in TINY.split()))
    build_zoo(source.recipe, tmp_path, workers=1, accelerator="cpu", on_model=lambda _: None)
    zoo = open_zoo(tmp_path)
    assert zoo.recipe.description() == source.recipe.description()
    for model_id in zoo.model_ids():
        entry = zoo.manifest().entry(model_id)
        assert entry.architecture in ("shufflenet_v2_x1_0", "squeezenet1_1")
        loaded = zoo.load(model_id)
        assert loaded.architecture == entry.architecture
        assert loaded.classifier(loaded.samples.images).shape == (6, 3)
