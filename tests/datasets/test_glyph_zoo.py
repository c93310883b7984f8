"""A zoo of letters and digits."""

from dataclasses import replace

import pytest

from exray.datasets.glyph_zoo import glyph_zoo
from exray.zoo.build import build_zoo

pytestmark = pytest.mark.usefixtures("one_thread")


def test_it_is_built_and_its_models_come_with_glyphs(micro, tmp_path):
    recipe = replace(micro, attacks={}, architecture="grey_lenet", class_counts=(4,))
    zoo = glyph_zoo(name="letters", root=str(tmp_path), recipe=recipe, half=None)
    build_zoo(
        recipe,
        zoo.root,
        workers=1,
        accelerator="cpu",
        on_model=lambda _: None,
        images=zoo.images,
    )
    model = zoo.load("id-00000000")
    assert model.warnings == ()
    assert model.classifier.num_classes == 4
    assert len(set(model.samples.class_names)) == 4
    assert (model.samples.images[:, 0] == model.samples.images[:, 1]).all()
