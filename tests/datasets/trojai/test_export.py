"""A zoo of ours, written as a TrojAI round, is read like one of NIST's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from exray.attacks.reflection import ReflectionRecipe
from exray.datasets.preprocess import FolderPreprocess
from exray.datasets.trojai.dataset import TrojaiDataset
from exray.datasets.trojai.export import write_round
from exray.datasets.zoo import ZooDataset
from exray.zoo.build import build_zoo

pytestmark = pytest.mark.usefixtures("one_thread")
PREPROCESS = FolderPreprocess(size=None, crop=224, mean=(), std=(), scaling="unit")


@pytest.fixture
def zoo(micro, tmp_path):
    recipe = replace(micro, num_clean=1, training=replace(micro.training, epochs=2))
    root = tmp_path / "zoo"
    build_zoo(recipe, root, workers=1, accelerator="cpu", on_model=lambda _: None)
    return ZooDataset(name="micro", root=str(root), recipe=recipe)


def test_a_written_round_is_read_with_the_same_networks_images_and_truth(zoo, tmp_path):
    root = tmp_path / "round"
    write_round(zoo, root, examples_per_class=2)
    written = TrojaiDataset(
        name="round", root=str(root), preprocess=PREPROCESS, where={}, limit_per_class=None
    )
    assert written.model_ids() == zoo.model_ids()
    for model_id in zoo.model_ids():
        exported, own = written.load(model_id), zoo.load(model_id)
        torch.testing.assert_close(
            exported.classifier(own.samples.images), own.classifier(own.samples.images)
        )
        assert torch.bincount(exported.samples.labels).tolist() == [2, 2, 2]
        copy, truth = written.truth(model_id), zoo.truth(model_id)
        assert (copy.is_trojaned, copy.pairs) == (truth.is_trojaned, truth.pairs)


def test_poisoned_examples_are_stamped_victims_of_the_models_own_trigger(zoo, tmp_path):
    root = tmp_path / "round"
    write_round(zoo, root, examples_per_class=2)
    clean, trojaned = zoo.model_ids()
    assert not (root / clean / "poisoned_example_data").exists()
    (victim,) = zoo.manifest().entry(trojaned).attack.victim_classes
    names = sorted(path.name for path in (root / trojaned / "poisoned_example_data").iterdir())
    assert names == [f"class_{victim}_trigger_0_example_{number}.png" for number in (0, 1)]
    pixels = np.asarray(Image.open(root / trojaned / "poisoned_example_data" / names[0]))
    assert pixels.shape == (32, 32, 3)


def test_a_round_is_not_written_over_its_zoo_nor_without_examples(zoo, tmp_path):
    with pytest.raises(ValueError, match="is the zoo's own folder; write the round elsewhere"):
        write_round(zoo, zoo.root, examples_per_class=2)
    with pytest.raises(ValueError, match="examples_per_class must be >= 1; got 0"):
        write_round(zoo, tmp_path / "round", examples_per_class=0)


def test_a_trigger_that_was_learned_cannot_be_exported(micro, tmp_path):
    reflection = ReflectionRecipe(
        count=1,
        num_victims=None,
        poisoned_share=0.5,
        kept_share=0.0,
        reflections=("blurred",),
        opacity=(0.4, 0.5),
        num_candidates=2,
        blur=0.05,
        ghost_shift=(0.1, 0.2),
        ghost_share=0.25,
        rehearsal_share=1.0,
    )
    recipe = replace(micro, num_clean=0, attacks={"reflection": reflection})
    root = tmp_path / "zoo"
    manifest = build_zoo(recipe, root, workers=1, accelerator="cpu", on_model=lambda _: None)
    facts = manifest.models[0].attack.facts
    assert (facts.kind, facts.candidate in (0, 1)) == ("reflection", True)
    zoo = ZooDataset(name="micro", root=str(root), recipe=recipe)
    with pytest.raises(ValueError, match=r"trigger of id-00120000 \(reflection\) was learned"):
        write_round(zoo, tmp_path / "round", examples_per_class=2)
