"""Images of letters and digits."""

import pytest
import torch

from exray.images.sources.glyphs.generator import GlyphGenerator
from exray.images.sources.sticker import Sticker

DARK = GlyphGenerator(("A", "7"), image_size=28, paper="dark")


def test_the_same_seed_gives_the_same_grey_images():
    images = DARK.images(0, count=3, seed=5)
    assert images.shape == (3, 3, 28, 28)
    assert torch.equal(images, DARK.images(0, count=3, seed=5))
    assert not torch.equal(images, DARK.images(0, count=3, seed=6))
    assert not torch.equal(images, DARK.images(1, count=3, seed=5))
    assert torch.equal(images[:, 0], images[:, 2])
    assert not torch.equal(images[0], images[1])
    assert DARK.images(0, count=0, seed=5).shape == (0, 3, 28, 28)
    assert DARK.class_names == ("A", "7")


def test_paper_is_dark_or_light_or_either():
    means = {
        paper: GlyphGenerator(("A",), image_size=28, paper=paper)
        .images(0, count=20, seed=0)
        .float()
        .mean(dim=(1, 2, 3))
        for paper in ("dark", "light", "either")
    }
    assert (means["dark"] < 128).all()
    assert (means["light"] > 128).all()
    assert 0 < int((means["either"] > 128).sum()) < 20


def test_a_sticker_lies_on_the_image_and_nothing_else_changes():
    square = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
    sticker = Sticker(points=square, colour=(200, 0, 0), width=0.3)
    clean, stamped = (DARK.images(0, count=4, seed=1, sticker=s) for s in (None, sticker))
    changed = (clean != stamped).any(dim=1).flatten(1).sum(dim=1)
    assert (changed > 30).all()
    assert (changed < 28 * 28 / 4).all()


def test_images_too_small_to_read_are_refused():
    with pytest.raises(ValueError, match=r"^image_size must be at least 16 pixels; got 8"):
        GlyphGenerator(("A",), image_size=8, paper="dark")
