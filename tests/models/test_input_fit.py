"""How a network is to be given its images."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Preprocessing
from exray.models.input_fit import CastInput, first_fit, runs

IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Prepared(nn.Module):
    """A linear network behind a function of the images."""

    def __init__(self, function=lambda x: x, channels=3):
        super().__init__()
        self.function = function
        self.net = nn.Sequential(
            nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
        )

    def forward(self, images):
        return self.net(self.function(images))


class ForEight(Prepared):
    """Its view is made for one batch size."""

    def forward(self, images):
        return self.net(images.view(8, 3, 8, 8))


def only_bytes(images):
    assert images.dtype is torch.uint8
    return images.float() / 255


def fit_of(network, preprocessing=None):
    return first_fit(network.eval(), preprocessing or Preprocessing(), IMAGES)[0]


def test_a_plain_network_is_given_images_as_they_are():
    network = Prepared()
    fit = fit_of(network)
    assert (fit.network, fit.preprocessing, fit.batch_size) == (network, Preprocessing(), None)
    assert fit.remarks == ()


@pytest.mark.parametrize(("channels", "said"), [(1, "one channel"), (4, "four channels")])
def test_the_network_decides_how_many_channels_it_gets(channels, said):
    fit = fit_of(Prepared(channels=channels))
    assert fit.inputs(IMAGES).shape == (6, channels, 8, 8)
    assert any(said in remark for remark in fit.remarks)


def test_channels_last_are_found_and_said():
    fit = fit_of(Prepared(lambda x: x.permute(0, 3, 1, 2)))
    assert fit.inputs(IMAGES).shape == (6, 8, 8, 3)
    assert fit.remarks == ("the network takes channels last: images are given to it so",)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_another_type_are_taken_in_the_images(dtype):
    network = Prepared().to(dtype)
    fit = fit_of(network)
    assert next(fit.network.parameters()).dtype is torch.float32
    assert next(network.parameters()).dtype is dtype
    assert "they are taken as float32" in fit.remarks[0]


def test_a_network_that_insists_on_its_type_is_given_images_in_it():
    network = Prepared(lambda x: x if x.dtype is torch.float64 else x / 0 * [][0])
    fit = fit_of(network.double())
    assert isinstance(fit.network, CastInput)
    assert "takes float64" in fit.remarks[0]


def test_bytes_are_found_and_said():
    fit = fit_of(Prepared(only_bytes))
    assert fit.preprocessing.scaling == "byte"
    assert "takes bytes" in fit.remarks[0]
    expected = Prepared.forward(fit.network.network, (IMAGES * 255).round().to(torch.uint8))
    assert torch.allclose(fit.network(fit.inputs(IMAGES)), expected)


def test_the_only_batch_size_is_found_and_said():
    network = ForEight()
    fit, place = first_fit(network.eval(), Preprocessing(), IMAGES)
    assert (fit.batch_size, place.outputs_per_image) == (8, 5)
    assert "batches of 8 images alone" in fit.remarks[0]
    assert runs(network, Preprocessing(), IMAGES, tries_batch_sizes=True)
    assert not runs(network, Preprocessing(), IMAGES, tries_batch_sizes=False)


def test_a_batch_that_happens_to_have_the_only_size_is_not_taken_for_any():
    fit, _ = first_fit(ForEight().eval(), Preprocessing(), IMAGES[[0, 1, 2, 3, 4, 5, 0, 1]])
    assert fit.batch_size == 8


def test_a_network_that_refuses_single_images_alone_takes_two():
    def not_one(images):
        assert len(images) > 1
        return images

    fit = fit_of(Prepared(not_one))
    assert (fit.batch_size, fit.takes_multiples) == (2, True)
    assert "does not take a single image" in fit.remarks[0]


def test_what_the_user_told_is_not_tried_otherwise():
    with pytest.raises(ValueError, match=r"fails on images of 3 x 8 x 8"):
        fit_of(Prepared(channels=1), Preprocessing(channels="bgr"))
    with pytest.raises(ValueError, match=r"fails on images of"):
        fit_of(Prepared(channels=1), Preprocessing(mean=(0.1, 0.2, 0.3)))
    assert fit_of(Prepared(channels=1), Preprocessing(mean=(0.1,))).preprocessing.mean == (0.1,)


def test_the_error_is_that_of_the_channels_that_the_network_takes():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 5))
    with pytest.raises(ValueError, match=r"fails on images of 1 x 8 x 8 .* set size or crop"):
        fit_of(network)


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="at least one image; got none"):
        first_fit(Prepared(), Preprocessing(), IMAGES[:0])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: {"out": x}, r"real numbers for each image, shape \(6, k\); got a dict for 6 im"),
        (lambda x: x, r"got shape \(6, 3, 8, 8\) for 6 images of 3 x 8 x 8; set size, or wrap"),
        (lambda x: x.flatten(1).long(), r"got int64 of shape \(6, 192\)"),
    ],
)
def test_what_holds_no_logits_is_refused(function, message):
    class Returning(nn.Module):
        def forward(self, images):
            return function(images)

    with pytest.raises(ValueError, match=message):
        fit_of(Returning())
