"""The layers that a pickled network may be made of."""

import sys

import pytest
from torch import nn

from exray.models.checkpoints.pickles.layer_allowlist import (
    LAYERS,
    MissingTorchvisionError,
    is_layer,
    layer_classes,
)

pytest.importorskip("torchvision.models")


def test_every_name_on_the_list_is_a_module_of_today():
    classes = layer_classes(LAYERS)
    assert len(classes) == len(LAYERS) >= 37
    assert all(issubclass(kind, nn.Module) for kind in classes.values())


def test_former_names_are_the_classes_of_today():
    former = "torchvision.models.mobilenet.MobileNetV2"
    today = "torchvision.models.mobilenetv2.MobileNetV2"
    classes = layer_classes([former, today, "torchvision.models.mobilenet.ConvBNReLU"])
    assert classes[former] is classes[today]
    assert classes["torchvision.models.mobilenet.ConvBNReLU"] is nn.Sequential


@pytest.mark.parametrize("name", ["torch.nn.LSTM", "torch.nn.Linear", "os.system", "", "Linear"])
def test_other_names_are_passed_over(name):
    assert not is_layer(name)
    assert layer_classes([name]) == {}


def test_without_torchvision_its_classes_are_missing_and_torchs_are_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models.resnet", None)
    with pytest.raises(MissingTorchvisionError, match=r"torchvision.models.resnet.ResNet"):
        layer_classes(["torchvision.models.resnet.ResNet"])
    linear = "torch.nn.modules.linear.Linear"
    assert layer_classes([linear]) == {linear: nn.Linear}
