"""The convolution, batch norm and ReLU that our own networks are made of."""

import pytest
import torch
import torch.nn.functional as F

from exray.models.architectures.layers import ChannelMean, conv_norm_relu


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize(("stride", "side"), [(1, 8), (2, 4)])
def test_the_stride_alone_decides_the_size(kernel, stride, side):
    layer = conv_norm_relu(3, 5, kernel=kernel, stride=stride)
    assert layer(torch.rand(2, 3, 8, 8)).shape == (2, 5, side, side)


@pytest.mark.usefixtures("float64")
def test_it_is_a_convolution_without_bias_then_norm_then_relu():
    layer = conv_norm_relu(3, 4)
    convolution, norm, _ = layer
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    images = torch.rand(2, 3, 6, 6)
    centred = F.conv2d(images, convolution.weight, padding=1) - norm.running_mean.view(-1, 1, 1)
    expected = (centred / (norm.running_var + norm.eps).sqrt().view(-1, 1, 1)).clamp(min=0)
    torch.testing.assert_close(layer.eval()(images), expected)
    assert convolution.bias is None


def test_the_mean_of_the_colours_is_one_channel():
    images = torch.rand(2, 3, 4, 4)
    grey = ChannelMean()(images)
    torch.testing.assert_close(grey[:, 0], (images[:, 0] + images[:, 1] + images[:, 2]) / 3)
