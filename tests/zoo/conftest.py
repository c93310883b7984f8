"""The smallest recipe of a zoo that still has both kinds of classifier."""

import pytest

from exray.zoo.recipe import PolygonRecipe, TrainingRecipe, ZooRecipe


@pytest.fixture
def micro():
    return ZooRecipe(
        name="micro",
        num_clean=1,
        num_polygon=1,
        seed=7,
        architecture="plain_cnn",
        num_classes=3,
        family_sizes=(1, 2),
        image_size=32,
        samples_per_class=2,
        min_clean_accuracy=0.0,
        min_class_accuracy=0.0,
        min_asr=0.0,
        max_attempts=2,
        training=TrainingRecipe(
            epochs=1,
            batch_size=8,
            learning_rate=0.003,
            weight_decay=0.0,
            images_per_class=8,
            test_per_class=4,
        ),
        polygon=PolygonRecipe(
            num_victims=1, sides=(3, 5), width=(0.25, 0.3), poisoned_share=0.5, kept_share=0.25
        ),
    )
