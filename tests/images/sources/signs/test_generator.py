"""Synthetic traffic signs and their stickers."""

import numpy as np
import pytest
import torch

from exray.images.sources.signs.classes import COLOURS, SHAPES, SYMBOLS, sign_classes
from exray.images.sources.signs.generator import SignGenerator
from exray.images.sources.sticker import Sticker

SQUARE = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


def generator(size=32):
    return SignGenerator(sign_classes(4, family_size=2, seed=0), image_size=size)


def sticker():
    return Sticker(points=SQUARE, colour=(200, 0, 200), width=0.25)


def test_the_same_seed_gives_the_same_images_and_another_seed_others():
    signs = generator()
    assert torch.equal(signs.images(1, count=3, seed=5), signs.images(1, count=3, seed=5))
    assert not torch.equal(signs.images(1, count=3, seed=5), signs.images(1, count=3, seed=6))


def test_more_images_begin_with_the_fewer():
    signs = generator()
    assert torch.equal(signs.images(2, count=4, seed=0)[:2], signs.images(2, count=2, seed=0))


def test_a_sticker_changes_a_small_part_and_leaves_the_scene():
    signs = generator(64)
    clean = signs.images(0, count=6, seed=1).int()
    stamped = signs.images(0, count=6, seed=1, sticker=sticker()).int()
    change = (clean - stamped).abs().amax(dim=1)
    shares = (change > 12).double().mean(dim=(1, 2))
    assert ((shares > 0.005) & (shares < 0.15)).all()
    assert ((change == 0).double().mean(dim=(1, 2)) > 0.6).all()  # noise, light, background


def test_every_image_of_a_class_is_another_scene():
    images = generator().images(0, count=4, seed=0)
    assert len({image.numpy().tobytes() for image in images}) == 4


def test_images_are_bytes_of_the_size_asked_for():
    images = generator(48).images(3, count=2, seed=0)
    assert (images.dtype, tuple(images.shape)) == (torch.uint8, (2, 3, 48, 48))
    assert images.float().std() > 10  # something is on them
    assert tuple(generator().images(0, count=0, seed=0).shape) == (0, 3, 32, 32)


def test_every_shape_colour_and_symbol_can_be_drawn():
    for seed in range(3):
        signs = SignGenerator(sign_classes(7, family_size=1, seed=seed), image_size=16)
        assert {sign.shape for sign in signs.classes} == set(SHAPES)
        assert {sign.fill for sign in signs.classes} == set(COLOURS)
        for index in range(7):
            signs.images(index, count=1, seed=0)
    assert {s.symbol for s in sign_classes(12, family_size=12, seed=0)} == set(SYMBOLS)


def test_tiny_images_are_refused():
    with pytest.raises(ValueError, match="image_size must be at least 16 pixels; got 15"):
        generator(15)


def test_the_sticker_shows_its_colour():
    signs = generator(64)
    clean = signs.images(2, count=8, seed=3).numpy().astype(int)
    stamped = signs.images(2, count=8, seed=3, sticker=sticker()).numpy().astype(int)
    moved = np.abs(clean - stamped).max(axis=1) > 60
    red, green, blue = (stamped[:, channel][moved].mean() for channel in range(3))
    assert min(red, blue) > green + 40
