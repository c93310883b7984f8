"""Our own networks by name."""

import pytest
import torch

from exray.models import architectures
from exray.models.architectures.registry import (
    ARCHITECTURES,
    build,
    class_count,
    own_architectures,
    skeleton,
)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_gives_one_logit_a_class(name):
    assert build(name, num_classes=7).eval()(torch.rand(2, 3, 32, 32)).shape == (2, 7)


def test_a_file_with_a_function_of_its_name_is_an_architecture(tmp_path, monkeypatch):
    (tmp_path / "one_layer.py").write_text(
        "from torch import nn\n\nSIDE = 4\n\n\ndef one_layer(num_classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(48, num_classes))\n"
    )
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(tmp_path)])
    added = own_architectures()["one_layer"]
    assert (added.side, added.build(3)[1].out_features) == (4, 3)
    assert set(own_architectures()) == {*ARCHITECTURES, "one_layer"}


def test_an_unknown_network_is_refused_with_those_known():
    message = "'resnet9' is not known; known: grey_cnn, grey_lenet, narrow_nin, network_in_network"
    with pytest.raises(ValueError, match=message):
        build("resnet9", num_classes=3)


@pytest.mark.parametrize("name", ["signs_resnet", "network_in_network", "resnet18", "vgg11_bn"])
def test_the_number_of_classes_is_read_off_the_weights(name):
    assert class_count(name, skeleton(name, num_classes=5).state_dict()) == 5
    assert class_count(name, {}) == 2


def test_a_network_that_needs_numbers_to_be_built_has_a_skeleton_too():
    state = skeleton("torchvision/regnet_x_400mf", num_classes=4).state_dict()
    assert class_count("torchvision/regnet_x_400mf", state) == 4
