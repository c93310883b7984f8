import base64
import io

import numpy as np
import pytest
from PIL import Image

from exray.reports.mask_images import (
    BLOCK,
    COPIED,
    GAP,
    KEPT,
    PAPER,
    SHARED,
    jpeg_data_uri,
    mask_overlap,
    mask_strip,
    png_data_uri,
    shrink,
)


def block(image, channel):
    step = BLOCK + GAP
    return image[GAP + channel // 16 * step + 1, GAP + channel % 16 * step + 1].tolist()


def test_a_data_uri_holds_the_image_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    head, data = png_data_uri(image).split(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), image)


def test_a_jpeg_holds_a_smooth_image_nearly_unchanged():
    ramp = np.linspace(0, 255, 96).astype(np.uint8)
    image = np.stack([np.tile(ramp, (96, 1))] * 3, axis=-1)
    head, data = jpeg_data_uri(image).split(",")
    assert head == "data:image/jpeg;base64"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.abs(shown.astype(int) - image).max() <= 4


def test_kept_channels_are_gray_and_copied_ones_red():
    image = mask_strip(np.array([0.0, 1.0, 0.5]))
    assert block(image, 0) == list(KEPT)
    assert block(image, 1) == list(COPIED)
    red, green, blue = block(image, 2)
    assert red > green > 0
    assert COPIED[1] < green < 190
    assert blue < 190


@pytest.mark.parametrize(("channels", "rows"), [(1, 1), (16, 1), (17, 2), (64, 4)])
def test_channels_fill_rows_of_sixteen(channels, rows):
    image = mask_strip(np.ones(channels, np.float32))
    assert image.shape == (rows * (BLOCK + GAP) + GAP, 16 * (BLOCK + GAP) + GAP, 3)
    copied = (image == np.array(COPIED)).all(-1).sum()
    assert copied == channels * BLOCK**2
    assert image[0, 0].tolist() == list(PAPER)


def test_equal_masks_overlap_in_one_colour():
    image = mask_overlap(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    assert block(image, 0) == list(SHARED)
    assert block(image, 1) == list(KEPT)


def test_disjoint_masks_keep_their_own_colours():
    image = mask_overlap(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert len({tuple(block(image, 0)), tuple(block(image, 1)), SHARED, KEPT}) == 4


@pytest.mark.parametrize("mask", [[], [1.5], [-0.1], [np.nan]])
def test_a_mask_outside_the_unit_interval_is_refused(mask):
    with pytest.raises(ValueError, match=r"mask must hold channels in \[0, 1\]"):
        mask_strip(np.array(mask))


def test_masks_of_different_networks_do_not_overlap():
    with pytest.raises(ValueError, match="as many channels; got 1 and 2"):
        mask_overlap(np.ones(1), np.ones(2))


def test_small_images_are_not_shrunk():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    np.testing.assert_array_equal(shrink(image, 100), image)
