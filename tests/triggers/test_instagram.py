"""The Instagram filters, held to real TrojAI pairs and to pixels worked out by hand."""

import colorsys
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from exray.triggers.instagram import InstagramFilter, InstagramTrigger, filtered

REPOSITORY = Path(__file__).parents[2]
PAIRS = REPOSITORY / os.environ.get("EXRAY_SHARED_DATA", "../shared/data") / "trojai_r2_filters"
# Folder, filter, and the greatest error in bytes that the facts found for the same formulas.
REAL = [
    ("id-00000082", InstagramFilter.GOTHAM, 0.51),
    ("id-00000078", InstagramFilter.TOASTER, 1.1),
]
IMAGES = torch.rand(3, 3, 16, 20, generator=torch.Generator().manual_seed(0))


def opened(path):
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
    return pixels.permute(2, 0, 1)[None]


@pytest.mark.skipif(not PAIRS.is_dir(), reason=f"{PAIRS} is absent; set EXRAY_SHARED_DATA")
@pytest.mark.parametrize(("folder", "name", "bound"), REAL, ids=lambda value: str(value))
def test_real_pairs_are_met_to_the_facts_bound(folder, name, bound):
    for path in sorted((PAIRS / folder / "clean").iterdir())[::7]:
        images = 255 * filtered(opened(path).double() / 255, name)
        truth = opened(PAIRS / folder / "filtered" / path.name)
        assert (images - truth).abs().max() <= bound, path.name


def pixel(colour, name, *, size=5):
    """The middle pixel of an image of one colour."""
    images = torch.tensor(colour, dtype=torch.float64).reshape(1, 3, 1, 1).expand(1, 3, size, size)
    return filtered(images, name)[0, :, size // 2, size // 2].numpy()


def test_gotham_by_hand_with_the_standard_librarys_hls():
    hue, light, saturation = colorsys.rgb_to_hls(0.6, 0.3, 0.2)
    colour = np.array(colorsys.hls_to_rgb(hue, 1.2 * light, 0.1 * saturation))
    colour = (0.8 * colour + 0.2 * np.array([0x22, 0x2B, 0x6D]) / 255) ** (1 / 0.9)

    def sigmoid(x):
        return 1 / (1 + np.exp(3 * (0.5 - x)))

    for _ in range(2):
        colour = (sigmoid(colour) - sigmoid(0)) / (sigmoid(1) - sigmoid(0))
    np.testing.assert_allclose(pixel((0.6, 0.3, 0.2), InstagramFilter.GOTHAM), colour, atol=1e-6)


def test_kelvin_by_hand():
    """Mean 0.25 has gamma 2, so 0.25 becomes 0.5; gray stays gray, 1.2 times as light."""
    expected = 0.8 * 0.6 + 0.2 * np.array([1, 0.6, 0])
    np.testing.assert_allclose(pixel((0.25,) * 3, InstagramFilter.KELVIN), expected, atol=1e-6)


def test_lomo_cuts_red_and_green_and_darkens_towards_the_rim():
    cut = filtered(
        torch.tensor([0.5, 0.49, 0.7]).reshape(1, 3, 1, 1).expand(1, 3, 9, 9), InstagramFilter.LOMO
    )[0]
    torch.testing.assert_close(cut[:, 4, 4], torch.tensor([1.0, 0.0, 0.7]))
    share = 4 / (0.75 * 9)  # from the middle to the edge, of the radius
    torch.testing.assert_close(cut[:, 4, 0], torch.tensor([1.0, 0.0, 0.7]) * (1 - share))


def test_bytes_below_128_are_cut_to_0_by_lomo_and_128_to_1():
    cut = [pixel((value / 255,) * 3, InstagramFilter.LOMO)[0] for value in (127, 128)]
    assert cut == [0.0, 1.0]


def test_nashville_takes_every_mean_to_a_half():
    """Its last step is the automatic gamma; clipping may move the mean a little."""
    darker = pixel((0.3, 0.25, 0.35), InstagramFilter.NASHVILLE)
    assert pixel((0.2,) * 3, InstagramFilter.NASHVILLE).mean() == pytest.approx(0.5, abs=0.05)
    assert darker.mean() == pytest.approx(0.5, abs=0.05)


def test_toaster_fades_to_white_at_the_rim():
    corner = filtered(torch.zeros(1, 3, 64, 64), InstagramFilter.TOASTER)[0, :, 0, 0]
    share = 31.5 * 2**0.5 / 48
    torch.testing.assert_close(corner, torch.full((3,), share), atol=0.02, rtol=0)


@pytest.mark.parametrize("name", InstagramFilter)
def test_every_filter_shows_and_stays_an_image_whatever_it_is_given(name):
    extremes = torch.stack([torch.zeros(3, 16, 20), torch.ones(3, 16, 20)])
    images = filtered(torch.cat([IMAGES, extremes]), name)
    assert torch.isfinite(images).all()
    assert images.min() >= 0
    assert images.max() <= 1
    trigger = InstagramTrigger(filter_name=name, image_size=(16, 20))
    assert trigger.ssim(IMAGES) < 0.95
    assert trigger.size_pixels == 320
    torch.testing.assert_close(trigger.apply(IMAGES[:1]), images[:1])  # each image on its own
