"""How image files become inputs, checked before an image is read."""

import pytest
import torch

from exray.datasets.preprocess import FolderPreprocess
from exray.models.declared_input import DeclaredInput


def test_the_mean_of_another_number_of_channels_is_refused():
    with pytest.raises(ValueError, match=r"mean must hold three numbers.*; got 5"):
        FolderPreprocess(size=None, crop=None, mean=(0.5,) * 5, std=(), scaling="unit")


@pytest.mark.parametrize("sizes", [{"size": 0, "crop": None}, {"size": None, "crop": 0}])
def test_a_size_without_pixels_is_refused(sizes):
    with pytest.raises(ValueError, match=r"(size|crop) must be >= 1 or null; got 0"):
        FolderPreprocess(**sizes, mean=(), std=(), scaling="unit")


def test_scaling_mean_and_std_are_those_of_the_preprocessing():
    settings = FolderPreprocess(size=8, crop=None, mean=(51.0,), std=(2.0,), scaling="byte")
    prepared = settings.preprocessing(torch.full((1, 3, 2, 2), 0.4))
    torch.testing.assert_close(prepared, torch.full((1, 3, 2, 2), 25.5))  # (102 - 51) / 2


def test_channels_and_layout_are_those_of_the_preprocessing():
    settings = FolderPreprocess(
        size=8, crop=None, mean=(), std=(), scaling="unit", channels="bgr", layout="channels_last"
    )
    images = torch.rand(2, 3, 4, 5)
    expected = images[:, [2, 1, 0]].permute(0, 2, 3, 1)
    assert torch.equal(settings.preprocessing(images), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"std": (0.0,)}, r"std must hold positive numbers; got \[0.0\]"),
        (
            {"std": (1.0, 1.0)},
            "std must hold three numbers .four of rgba., one for all channels, or none; got 2",
        ),
    ],
)
def test_what_no_preprocessing_takes_is_refused_with_the_settings(values, message):
    with pytest.raises(ValueError, match=message):
        FolderPreprocess(
            **{"size": None, "crop": None, "mean": (), "std": (), "scaling": "unit", **values}
        )


DECLARED = DeclaredInput(source="timm", size=256, crop=224, mean=(0.5,), std=(0.25,))


@pytest.mark.parametrize(
    ("given", "size", "mean", "said"),
    [
        ({}, 256, (0.5,), "size 256, crop 224, bilinear, mean 0.5, std 0.25: as timm says"),
        ({"size": 32}, 32, (0.5,), "mean 0.5, std 0.25: as timm says"),
        ({"crop": 32}, None, (0.5,), "mean 0.5, std 0.25: as timm says"),
        ({"scaling": "byte"}, 256, None, "size 256, crop 224, bilinear: as timm says"),
        ({"mean": ()}, 256, (), "size 256, crop 224, bilinear: as timm says"),
        ({"size": 32, "std": (0.1,)}, 32, None, ""),
    ],
)
def test_what_nobody_gave_is_what_is_declared(given, size, mean, said):
    nothing = {"size": None, "crop": None, "mean": None, "std": None, "scaling": None}
    settings, sentence = FolderPreprocess(**nothing | given).completed(DECLARED)
    assert (settings.size, settings.mean, sentence) == (size, mean, said)
    assert FolderPreprocess(**nothing | given).completed(None)[1] == ""
