"""What preprocessor_config.json says is what transformers' own image processors do."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from exray.errors import CheckpointError
from exray.images.decoding import read_image
from exray.models.hub.preprocessor import declared_by

PLACE = Path("folder")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("ViTImageProcessor", {"size": {"height": 16, "width": 16}, "resample": 2}),
        ("ViTImageProcessor", {"size": {"height": 16, "width": 16}, "do_normalize": False}),
        ("ViTImageProcessor", {"size": {"height": 24, "width": 24}, "do_rescale": False}),
        ("ViTImageProcessor", {"do_resize": False, "rescale_factor": 1 / 127.5}),
        ("DeiTImageProcessor", {"size": {"height": 20, "width": 20}, "crop_size": 16}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 18}, "resample": 2}),
        (
            "EfficientNetImageProcessor",
            {"size": {"height": 16, "width": 16}, "rescale_offset": True, "do_rescale": True},
        ),
        ("EfficientNetImageProcessor", {"size": {"height": 16, "width": 16}}),
    ],
)
def test_values_and_sizes_are_those_of_transformers(tmp_path, kind, changes):
    transformers = pytest.importorskip("transformers")
    processor = getattr(transformers, kind)(**changes)
    declared = declared_by(json.loads(processor.to_json_string()), PLACE)
    grey = np.full((24, 24, 3), (200, 90, 30), dtype=np.uint8)  # whatever the interpolation
    Image.fromarray(grey).save(tmp_path / "i.png")
    image = read_image(tmp_path / "i.png", size=declared.size, crop=declared.crop)
    theirs = torch.as_tensor(processor(Image.fromarray(grey), return_tensors="pt").pixel_values)
    torch.testing.assert_close(declared.preprocessing(image[None]), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("values", "size", "crop"),
    [
        ({"size": 224}, 224, None),
        ({"size": 224, "crop_pct": 0.875}, 256, 224),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, 384, None),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}, 256, 224),
        ({"size": {"shortest_edge": 256}}, 256, 256),
        ({"size": [32, 32]}, 32, None),
        ({"size": {"height": 32, "width": 16}}, None, None),
        ({"do_resize": False, "size": 224}, None, None),
        ({}, None, None),
    ],
)
def test_sizes_as_new_and_old_files_write_them(values, size, crop):
    declared = declared_by(values, PLACE)
    assert (declared.size, declared.crop) == (size, crop)


def test_what_exray_does_otherwise_is_said():
    stretched = declared_by({"size": 256, "crop_size": 224, "do_center_crop": True}, PLACE)
    assert "by their shorter side, and not stretched" in stretched.remarks[0]
    code = declared_by({"auto_map": {"AutoImageProcessor": "own.Own"}}, PLACE)
    assert "names code of its own, which was not run" in code.remarks[0]
    assert "they stay as they are" in declared_by({"size": {"longest_edge": 9}}, PLACE).remarks[0]


@pytest.mark.parametrize(
    "values",
    [
        {"size": "large"},
        {"size": 10**9},
        {"size": -1},
        {"size": 20, "crop_size": 30, "do_center_crop": True},
        {"resample": "bicubic"},
        {"resample": 17},
        {"rescale_factor": 0},
        {"rescale_factor": "1/255"},
        {"image_mean": [0.5], "image_std": [0]},
        {"image_mean": [0.5, 0.5], "image_std": [1, 1]},
        {"image_mean": [0.5], "image_std": [1, 1, 1]},
        {"image_mean": [1e300], "image_std": [1]},
        {"size": 224, "crop_pct": 0},
    ],
)
def test_values_that_no_image_processor_has_are_refused(values):
    with pytest.raises(CheckpointError, match="which nothing has; give size, crop, mean, std"):
        declared_by(values, PLACE)
