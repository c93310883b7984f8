"""Letters and digits before they are warped."""

import pytest

from exray.images.sources.glyphs.outlines import CHARACTERS, SIDE, STROKES, glyph_classes, outlines


def test_characters_are_in_the_middle_and_grow_with_the_stroke():
    for character in CHARACTERS:
        shapes = outlines(character)
        assert shapes.shape == (len(STROKES), SIDE, SIDE)
        assert float(shapes.min()) == 0
        assert float(shapes.max()) == 1
        ink = shapes.sum(dim=(1, 2)).tolist()
        assert ink == sorted(ink)
        assert not shapes[:, :4].any()
        assert not shapes[:, :, :4].any()


def test_classes_are_different_characters_by_the_seed():
    classes = glyph_classes(20, seed=1)
    assert len(set(classes)) == 20
    assert set(classes) <= set(CHARACTERS)
    assert glyph_classes(20, seed=1) == classes
    assert glyph_classes(20, seed=2) != classes


@pytest.mark.parametrize("count", [1, len(CHARACTERS) + 1])
def test_more_classes_than_characters_are_refused(count):
    with pytest.raises(ValueError, match=rf"^num_classes must lie in \[2, 31\]; got {count}"):
        glyph_classes(count, seed=0)
