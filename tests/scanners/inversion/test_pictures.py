"""Pictures at one opacity."""

import pytest
import torch

from exray.scanners.inversion.pictures import Pictures


@pytest.fixture
def shape():
    made = Pictures(2, opacity=0.2, grid=(3, 4), image_size=(9, 8), device=torch.device("cpu"))
    made.parameters[0].copy_(3 * torch.randn(2, 3, 3, 4))
    return made


def test_no_pixel_changes_by_more_than_the_opacity(shape):
    images = torch.rand(5, 3, 9, 8)
    stamped = shape.stamp(torch.stack([shape.prepared(images)] * 2), shape.parameters).images
    change = (stamped - images).abs()
    assert 0.05 < float(change.max()) <= 0.2 + 1e-6
    assert stamped.min() >= 0
    assert stamped.max() <= 1


def test_the_hardened_trigger_does_what_was_optimised(shape):
    images = torch.rand(5, 3, 9, 8)
    rows = [shape.parameters[0][1:]]
    stamped = shape.stamp(shape.prepared(images)[None], rows)
    torch.testing.assert_close(shape.trigger(rows).apply(images), stamped.images[0])
    assert stamped.counted.tolist() == stamped.measure.tolist() == pytest.approx([0.2 * 72])


def test_pictures_are_grey_at_first():
    shape = Pictures(1, opacity=0.5, grid=(2, 2), image_size=(4, 4), device=torch.device("cpu"))
    stamped = shape.stamp(torch.zeros(1, 1, 3, 4, 4), shape.parameters).images
    torch.testing.assert_close(stamped, torch.full((1, 1, 3, 4, 4), 0.25))
