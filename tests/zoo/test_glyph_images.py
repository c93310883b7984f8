"""Letters and digits as the images of a zoo."""

from exray.zoo.glyph_images import GlyphImages
from exray.zoo.image_sets import ImageFacts


def source(seed, split="train"):
    facts = ImageFacts(num_classes=6, family_size=1, image_size=28, seed=seed)
    return GlyphImages().of_model(facts, split=split)


def test_each_classifier_has_characters_and_paper_of_its_own():
    sources = [source(seed) for seed in range(12)]
    assert len({each.class_names for each in sources}) > 6
    assert {each.paper for each in sources} == {"dark", "light", "either"}
    assert source(3, "test").class_names == sources[3].class_names
    assert source(3, "test").paper == sources[3].paper


def test_a_manifest_says_that_they_are_glyphs():
    images = GlyphImages()
    assert images.description() == {"images": {"dataset": "glyphs"}}
    facts = ImageFacts(num_classes=6, family_size=1, image_size=28, seed=0)
    assert images.scene_facts(facts) is None
