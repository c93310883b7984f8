"""ImageMagick's colour operations, held to colours worked out by hand and to colorsys."""

import colorsys

import numpy as np
import pytest
import torch

from exray.triggers.imagemagick import (
    auto_gamma_corrected,
    contrasted,
    darkened_rim,
    distance_share,
    gamma_corrected,
    glowing_rim,
    modulated,
    tinted,
    toned,
)

RED = (255, 0, 0)


@pytest.fixture
def images():
    return torch.rand(3, 3, 7, 9, generator=torch.Generator().manual_seed(0))


def gray(value, size=9):
    return torch.full((1, 3, size, size), value)


def test_lightness_and_saturation_are_those_of_the_standard_librarys_hls(images):
    brightness, saturation = 0.8, 0.5  # no lightness leaves [0, 1]
    pixels = modulated(images, brightness=brightness, saturation=saturation)
    for y, x in ((0, 0), (3, 4), (6, 8)):
        hue, light, full = colorsys.rgb_to_hls(*images[0, :, y, x].tolist())
        expected = colorsys.hls_to_rgb(hue, brightness * light, saturation * full)
        np.testing.assert_allclose(pixels[0, :, y, x], expected, atol=1e-5)
    torch.testing.assert_close(modulated(images, brightness=1.0, saturation=1.0), images)
    unsaturated = modulated(images, brightness=1.0, saturation=0.0)
    assert (unsaturated.amax(dim=1) - unsaturated.amin(dim=1)).max() < 1e-6


def test_black_and_white_have_no_room_for_saturation():
    for value in (0.0, 1.0):
        torch.testing.assert_close(
            modulated(gray(value), brightness=1.0, saturation=9.0), gray(value)
        )


def test_contrast_moves_values_away_from_the_middle_and_keeps_the_ends(images):
    stronger = contrasted(images)
    assert ((stronger - 0.5).abs() >= (images - 0.5).abs() - 1e-6).all()
    torch.testing.assert_close(contrasted(1 - images), 1 - stronger)  # point-symmetric
    for value in (0.0, 0.5, 1.0):
        torch.testing.assert_close(contrasted(gray(value)), gray(value))


def test_gamma_two_is_the_square_root_and_negative_values_stay():
    torch.testing.assert_close(gamma_corrected(gray(0.25), 2.0), gray(0.5))
    torch.testing.assert_close(gamma_corrected(gray(-0.25), 2.0), gray(-0.25))


def test_the_automatic_gamma_takes_each_images_own_mean_to_a_half():
    grays = torch.cat([gray(0.0625), gray(0.9), gray(0.5)])
    torch.testing.assert_close(auto_gamma_corrected(grays), gray(0.5).expand(3, 3, 9, 9))
    for value in (0.0, 1.0):
        torch.testing.assert_close(
            auto_gamma_corrected(gray(value)), gray(value), atol=1e-4, rtol=0
        )


def test_a_tint_is_a_fifth_and_a_tone_half_where_it_is_strong():
    colour = torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(tinted(gray(0.5), RED)[0, :, 0, 0], 0.4 + 0.2 * colour)
    strength = torch.zeros(1, 1, 9, 9)
    strength[..., 0, 0] = 1
    result = toned(gray(0.5), RED, strength=strength)
    torch.testing.assert_close(result[0, :, 0, 0], (colour + 0.5) / 2)
    torch.testing.assert_close(result[..., 1:], gray(0.5)[..., 1:])


def test_distances_are_shares_of_three_quarters_of_the_longer_side():
    share = distance_share(5, 8)
    assert share[2, 0] == pytest.approx(3.5 / 6)
    assert share[0, 7] == pytest.approx(np.hypot(2, 3.5) / 6)
    torch.testing.assert_close(share, share.flip(0, 1))
    assert distance_share(1, 1).tolist() == [[0.0]]
    assert distance_share(9, 9).max() < 1  # a square's corner lies at 0.71 of 0.75


def test_a_dark_rim_leaves_the_middle_and_a_glow_colours_it_alone():
    share = float(distance_share(9, 9)[4, 0])
    dark, glow = darkened_rim(gray(0.8), RED), glowing_rim(gray(0.8), RED)
    torch.testing.assert_close(dark[0, :, 4, 4], torch.full((3,), 0.8))
    torch.testing.assert_close(dark[0, :, 4, 0], 0.8 * torch.tensor([1.0, 1 - share, 1 - share]))
    torch.testing.assert_close(glow[0, :, 4, 4], torch.tensor([0.8, 0.0, 0.0]))
    inside = 0.8 * torch.tensor([1.0, share, share])
    torch.testing.assert_close(glow[0, :, 4, 0], (1 - share) * inside + share)
