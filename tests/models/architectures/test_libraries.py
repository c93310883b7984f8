"""Networks of torchvision and timm."""

import sys

import pytest
import torch

from exray.models.architectures.libraries import check_timm, check_torchvision
from exray.models.architectures.registry import build


def test_names_of_torchvision_and_timm_build_and_wrong_ones_are_refused():
    assert build("torchvision/resnet18", num_classes=3).fc.out_features == 3
    with pytest.raises(ValueError, match="torchvision has no classifier 'resnet19'; it has: alex"):
        build("torchvision/resnet19", num_classes=3)
    with pytest.raises(ValueError, match="timm has no network 'convnext_tiniest'; like it: "):
        build("timm/convnext_tiniest", num_classes=3)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_can_be_left_out(name):
    with torch.device("meta"):
        with_heads, without = (
            build(name, num_classes=3, auxiliary_heads=heads) for heads in (True, False)
        )
        logits = without.train()(torch.empty(2, 3, 96, 96))
    assert logits.shape == (2, 3)  # in training too, where heads make a tuple of it
    assert any("aux" in key.lower() for key in with_heads.state_dict())
    assert not any("aux" in key.lower() for key in without.state_dict())


def test_a_function_of_torchvision_that_is_no_classifier_is_refused():
    check_torchvision("resnet18")
    with pytest.raises(ValueError, match="no classifier 'fcn_resnet50'; it has: alexnet, "):
        check_torchvision("fcn_resnet50")  # a segmentation network


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr("exray.extras.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"architecture 'timm/x' needs timm, .*exray\[timm\]"):
        check_timm("x")
