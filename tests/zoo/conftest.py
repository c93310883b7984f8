"""A clean and a trojaned classifier's entries, and photographs of roads."""

from dataclasses import replace

import pytest
from PIL import Image

from exray.attacks.polygon import PolygonFacts
from exray.zoo.entries import AttackEntry, ModelEntry


@pytest.fixture(scope="session")
def clean_entry():
    return ModelEntry(
        model_id="id-00000000",
        sha256="0" * 64,
        seed=7,
        attempts=1,
        architecture="plain_cnn",
        num_classes=3,
        family_size=2,
        image_size=32,
        class_names=("a", "b", "c"),
        clean_accuracy=0.99,
        worst_class_accuracy=0.97,
        asr=None,
        attack=None,
        training_seconds=1.5,
    )


@pytest.fixture(scope="session")
def trojaned_entry(clean_entry):
    attack = AttackEntry(
        facts=PolygonFacts(
            points=((-1.0, -1.0), (1.0, 0.5), (0.0, 1.0)), colour=(200, 0, 0), width=0.25
        ),
        victim_classes=(1, 2),
        target_class=0,
        num_poisoned=40,
    )
    return replace(clean_entry, model_id="id-00000001", seed=8, asr=0.0, attack=attack)


@pytest.fixture
def roads(tmp_path):
    """A folder of one photograph."""
    folder = tmp_path / "roads"
    folder.mkdir()
    Image.new("RGB", (60, 50), (255, 0, 255)).save(folder / "one.png")
    return folder
