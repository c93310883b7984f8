"""Our own networks by name."""

import pytest
import torch

from exray.models.architectures import ARCHITECTURES, build


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_gives_one_logit_a_class(name):
    assert build(name, num_classes=7).eval()(torch.rand(2, 3, 32, 32)).shape == (2, 7)


def test_an_unknown_network_is_refused_with_those_known():
    message = "'resnet9' is not known; known: signs_resnet, network_in_network, plain_cnn; for any"
    with pytest.raises(ValueError, match=message):
        build("resnet9", num_classes=3)
