"""One image file as RGB in [0, 1], whatever way it was stored."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from exray.images.decoding import check_geometry, decode_image, is_rotated, read_image


def save(folder, image, name="image.png", **options):
    path = folder / name
    image.save(path, **options)
    return path


def read(path, size=None, crop=None):
    return read_image(path, size=size, crop=crop)


def png_header(width, height):
    """A PNG that says how large it is and holds no pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", (255, 51, 0), (1, 0.2, 0)),
        ("L", 51, (0.2, 0.2, 0.2)),
        ("1", 1, (1, 1, 1)),
        ("LA", (51, 0), (0.2, 0.2, 0.2)),
        ("RGBA", (255, 51, 0, 0), (1, 0.2, 0)),
    ],
)
def test_each_mode_becomes_rgb_and_transparency_is_dropped(tmp_path, mode, colour, expected):
    image = read(save(tmp_path, Image.new(mode, (2, 3), colour)))
    assert image.shape == (3, 3, 2)
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    torch.testing.assert_close(image[:, 0, 0], torch.tensor(expected, dtype=torch.float32))


def test_a_palette_is_looked_up(tmp_path):
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 255, 51, 0])
    expected = torch.tensor([1, 0.2, 0])
    for options in ({}, {"transparency": b"\x00\x80"}):  # Pillow warns of the second
        assert torch.equal(read(save(tmp_path, image, **options))[:, 1, 1], expected)


def test_cmyk_becomes_rgb(tmp_path):
    path = save(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "image.tiff")
    assert torch.equal(read(path)[:, 0, 0], torch.tensor([1.0, 0, 0]))


@pytest.mark.parametrize("name", ["image.png", "image.tiff", "image.pgm"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path, name):
    values = np.array([[0, 257], [32768, 65535]], dtype=np.uint16)
    image = read(save(tmp_path, Image.fromarray(values), name))
    expected = torch.tensor([[0, 1 / 255], [32768 / 65535, 1]])
    torch.testing.assert_close(image, expected.expand(3, 2, 2))


def test_sixteen_bit_grey_stays_in_range_when_resized(tmp_path):
    values = np.array([[0, 65535], [65535, 0]], dtype=np.uint16)
    image = read(save(tmp_path, Image.fromarray(values)), size=7)
    assert image.shape == (3, 7, 7)
    assert image.min() >= 0
    assert image.max() <= 1


def test_grey_reals_must_be_fractions(tmp_path):
    half = save(tmp_path, Image.fromarray(np.full((2, 2), 0.5, np.float32)), "half.tiff")
    assert read(half).unique().item() == 0.5
    large = save(tmp_path, Image.fromarray(np.full((2, 2), 2, np.float32)), "large.tiff")
    with pytest.raises(ValueError, match=r"large.tiff is truncated or damaged \(grey values must"):
        read(large)


def test_whole_numbers_beyond_sixteen_bits_are_refused(tmp_path):
    path = save(tmp_path, Image.fromarray(np.full((2, 2), 70000, np.int32)), "deep.tiff")
    with pytest.raises(ValueError, match=r"must lie in \[0, 65535\], but run from 70000"):
        read(path)


def test_the_exif_orientation_is_applied_where_it_is_asked_for(tmp_path):
    image = Image.new("RGB", (4, 2))
    image.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise
    path = save(tmp_path, image, exif=exif)
    assert torch.equal(read(path)[0, 0], torch.tensor([1.0, 0, 0, 0]))
    turned = read_image(path, size=None, crop=None, exif_orientation=True)
    assert turned.shape == (3, 4, 2)
    assert turned[0, 0, 1] == 1
    assert is_rotated(path.read_bytes())
    assert not is_rotated(save(tmp_path, image).read_bytes())
    assert not is_rotated(b"no image")


def test_a_large_jpeg_is_decoded_smaller_to_almost_the_same(tmp_path):
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    photograph = coarse.resize((1503, 1001), Image.Resampling.BICUBIC)
    path = save(tmp_path, photograph, "large.jpg", quality=90)
    with Image.open(path) as whole:
        exact = whole.resize((96, 64), Image.Resampling.BILINEAR).crop((16, 0, 80, 64))
    image = read(path, size=64, crop=64)
    difference = (image * 255 - torch.from_numpy(np.array(exact)).permute(2, 0, 1)).abs()
    assert difference.mean() < 0.25
    assert difference.max() <= 1
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = save(tmp_path, photograph, "turned.jpg", quality=90, exif=exif)
    upright = read_image(turned, size=64, crop=None, exif_orientation=True)
    assert (upright - read(path, size=64).rot90(-1, (1, 2))).abs().mean() < 0.02


def test_size_alone_makes_a_square(tmp_path):
    path = save(tmp_path, Image.new("RGB", (10, 4), (255, 51, 0)))
    image = read(path, size=6)
    assert image.shape == (3, 6, 6)
    torch.testing.assert_close(image[:, 3, 3], torch.tensor([1, 0.2, 0]))


def test_an_image_that_has_the_size_is_unchanged(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    path = save(tmp_path, Image.fromarray(values))
    assert torch.equal(read(path, size=5), read(path))


def test_shrinking_averages_instead_of_dropping_pixels(tmp_path):
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (8, 4))
    image = read(save(tmp_path, Image.fromarray(stripes)), size=2)
    assert ((image - 0.5).abs() < 0.1).all()


def test_size_and_crop_resize_the_shorter_side_and_cut_the_centre(tmp_path):
    columns = np.repeat(np.arange(12, dtype=np.uint8) * 20, 1)[None].repeat(6, 0)
    image = read(save(tmp_path, Image.fromarray(columns)), size=6, crop=4)
    assert image.shape == (3, 4, 4)
    torch.testing.assert_close(image[0, 0] * 255, torch.tensor([80.0, 100, 120, 140]))


def test_crop_alone_cuts_the_centre(tmp_path):
    rows = np.arange(5, dtype=np.uint8)[:, None].repeat(5, 1)
    image = read(save(tmp_path, Image.fromarray(rows)), crop=1)
    assert (image * 255).flatten().tolist() == [2, 2, 2]


def test_a_crop_larger_than_the_image_is_refused(tmp_path):
    path = save(tmp_path, Image.new("RGB", (8, 3)))
    with pytest.raises(ValueError, match=r"is 8 x 3 pixels, smaller than crop=4"):
        read(path, crop=4)


def test_a_strip_that_would_grow_without_bound_is_refused(tmp_path):
    path = save(tmp_path, Image.new("L", (20000, 1)))
    with pytest.raises(ValueError, match="is 20000 x 1 pixels, too narrow"):
        read(path, size=224, crop=224)


@pytest.mark.parametrize("key", ["size", "crop"])
@pytest.mark.parametrize("value", [0, -1, 100000])
def test_impossible_sizes_are_refused(key, value):
    with pytest.raises(ValueError, match=rf"{key} must be .*1 to 16384.*got {value}"):
        check_geometry(**{"size": None, "crop": None, key: value})


def test_a_crop_beyond_the_size_is_refused():
    with pytest.raises(ValueError, match=r"must not exceed size, which is 24"):
        check_geometry(24, 32)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none.png cannot be read \(No such file"):
        read(tmp_path / "none.png")


@pytest.mark.parametrize("data", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", png_header(0, 4)])
def test_what_is_no_image_is_said(data):
    with pytest.raises(ValueError, match=r"image x is no image that can be read; convert it"):
        decode_image(data, name="x", size=None, crop=None)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM", "TIFF"])
def test_a_truncated_image_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    whole = BytesIO()
    Image.fromarray(noise).save(whole, kind)
    half = whole.getvalue()[: len(whole.getvalue()) // 2]
    with pytest.raises(ValueError, match=r"image x is (truncated or damaged|no image)"):
        decode_image(half, name="x", size=None, crop=None)


@pytest.mark.parametrize("side", [10_000, 50_000])
def test_a_decompression_bomb_is_refused(side):
    with pytest.raises(ValueError, match="more than 89478485 pixels, as a decompression bomb"):
        decode_image(png_header(side, side), name="x", size=None, crop=None)


def test_a_bomb_is_refused_where_pillow_was_told_not_to_look(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ValueError, match="more than 89478485 pixels"):
        decode_image(png_header(10_000, 10_000), name="x", size=None, crop=None)


def test_damaged_bytes_raise_nothing_but_value_errors():
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    random = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM", "TIFF"):
        whole = BytesIO()
        Image.fromarray(noise).save(whole, kind)
        for _ in range(40):
            data = bytearray(whole.getvalue())
            for place in random.integers(0, min(len(data), 120), 4):
                data[place] = random.integers(0, 256)
            try:
                image = decode_image(bytes(data), name="x", size=8, crop=None)
            except ValueError:
                continue
            assert image.shape == (3, 8, 8)
            assert image.min() >= 0
            assert image.max() <= 1


def test_the_interpolation_is_the_one_asked_for(tmp_path):
    pixels = np.tile(np.array([[0, 255], [255, 0]], dtype=np.uint8), (4, 4))
    path = tmp_path / "board.png"
    Image.fromarray(pixels).save(path)
    nearest = read_image(path, size=4, crop=None, interpolation="nearest")
    assert set(nearest.unique().tolist()) <= {0.0, 1.0}
    averaged = read_image(path, size=4, crop=None, interpolation="box")
    assert torch.allclose(averaged, torch.tensor(0.5), atol=0.01)
