"""What the library's functions are given."""

import pytest
import torch

from exray.api_inputs import decoded, fitted, labelled, moved, scan_parts
from exray.models.classifier import Preprocessing


def test_grey_images_get_three_channels_where_no_classifier_asks_for_one():
    pair = (torch.rand(4, 1, 6, 6), torch.tensor([0, 1, 0, 1]))
    assert decoded(pair, grey_allowed=False).images.shape == (4, 3, 6, 6)
    assert decoded(pair, grey_allowed=True).images.shape == (4, 1, 6, 6)


def test_classes_without_images_have_names(trojaned, colour_samples):
    two = colour_samples.select(colour_samples.labels < 2)
    pair = decoded((two.images, two.labels), grey_allowed=True)
    samples, remarks = labelled(pair, trojaned)
    assert samples.class_names[2] == "class 2"
    assert remarks == ()


def test_a_classifier_has_its_own_preprocessing(trojaned, colour_samples):
    assert fitted(trojaned, colour_samples.images, None) is trojaned
    with pytest.raises(ValueError, match="preprocessing belongs to a network"):
        fitted(trojaned, colour_samples.images, Preprocessing())


def test_a_network_comes_back_to_its_device(trojaned):
    with moved(trojaned, "cpu"):
        assert trojaned.device.type == "cpu"
    assert trojaned.device.type == "cpu"


def test_parts_are_made_by_name():
    scanner, judge = scan_parts("abs", "l2", layer="relu", seed=3)
    assert (type(scanner).__name__, judge.layer) == ("AbsPatchScanner", "relu")
