"""Networks by name in the size that their weights have."""

import pytest
import torch
from torch import nn

from exray.models.architectures.registry import build
from exray.models.classifier import Preprocessing
from exray.models.fitted_architecture import build_fitted
from exray.models.loading import load_classifier


def fitted_by(architecture, trained, num_classes=3):
    network, said = build_fitted(architecture, trained.state_dict(), num_classes=num_classes)
    network.load_state_dict(trained.state_dict())
    return network, said


def test_weights_of_the_librarys_own_shapes_change_nothing():
    trained = build("torchvision/squeezenet1_1", num_classes=3)
    _, said = fitted_by("torchvision/squeezenet1_1", trained)
    assert said == ()


@pytest.mark.parametrize("channels", [1, 4])
def test_the_first_convolution_has_the_channels_of_its_weights(channels):
    trained = build("resnet18", num_classes=3)
    trained.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    network, (said,) = fitted_by("resnet18", trained)
    images = torch.rand(2, channels, 40, 40)
    assert torch.equal(network.eval()(images), trained.eval()(images))
    assert f"have {channels} input channel" in said


def test_a_small_kernel_is_taken_as_networks_of_small_images_have_it():
    trained = build("resnet18", num_classes=3)
    trained.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    trained.maxpool = nn.Identity()
    network, (said,) = fitted_by("resnet18", trained)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(network.eval()(images), trained.eval()(images))
    assert "stride 1 and without the pooling" in said


def test_timms_networks_of_one_channel_and_of_small_images_are_loaded(tmp_path):
    timm = pytest.importorskip("timm")
    grey = timm.create_model("resnet10t", num_classes=3, in_chans=1)
    torch.save(grey.state_dict(), tmp_path / "grey.pt")
    classifier = load_classifier(tmp_path / "grey.pt", architecture="timm/resnet10t")
    assert classifier.preprocessing.channels == "grey"
    small = timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=32)
    torch.save(small.state_dict(), tmp_path / "small.pt")
    images = torch.rand(2, 3, 32, 32)
    loaded = load_classifier(
        tmp_path / "small.pt",
        architecture="timm/vit_tiny_patch16_224",
        example=images,
        preprocessing=Preprocessing(),
    )
    torch.testing.assert_close(loaded(images), small.eval()(images))
    assert "images of 32 x 32 pixels" in loaded.warnings[0]


def test_torchvisions_transformer_of_small_images_is_fitted():
    from torchvision.models import vit_b_32

    trained = vit_b_32(image_size=64, num_classes=3)
    with torch.device("meta"):
        network, (said,) = build_fitted("torchvision/vit_b_32", trained.state_dict(), num_classes=3)
    assert network.image_size == 64
    assert "64 x 64" in said


def test_weights_that_fit_in_no_size_leave_the_network_as_it_is():
    trained = build("resnet18", num_classes=3)
    trained.fc = nn.Linear(100, 3)
    trained.conv1 = nn.Conv2d(3, 64, 5)
    network, said = build_fitted("resnet18", trained.state_dict(), num_classes=3)
    assert network.conv1.kernel_size == (7, 7)
    assert said == ()
