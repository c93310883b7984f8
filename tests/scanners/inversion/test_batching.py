"""Images are stacked in shared memory and go through a network in the layout it takes."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.inversion.batching import Stack, fastest_layout
from exray.scanners.inversion.initialization import ProbeSettings, ranked_starts

pytestmark = pytest.mark.usefixtures("one_thread")

ONE, OTHER = torch.rand(2, 4, 3, 5, 6)


class Viewed(nn.Module):
    """Flattens as much published code does."""

    def forward(self, features):
        return features.view(features.shape[0], -1)


def split_with(flatten):
    network = nn.Sequential(
        OrderedDict(conv=nn.Conv2d(3, 4, 3), relu=nn.ReLU(), flat=flatten, out=nn.Linear(144, 3))
    )
    classifier = Classifier(network, Preprocessing(), num_classes=3, name="small")
    return SplitClassifier(classifier, "relu", example=torch.rand(2, 3, 8, 8))


def test_convolutions_get_channels_last():
    assert fastest_layout(split_with(nn.Flatten()), torch.rand(1, 3, 8, 8)) == torch.channels_last


def test_a_network_that_refuses_the_layout_gets_the_usual_one():
    split = split_with(Viewed())
    assert fastest_layout(split, torch.rand(1, 3, 8, 8)) == torch.contiguous_format
    probe = ProbeSettings(images=2, finalists=2, targets_per_victim=2)
    images = torch.rand(3, 3, 8, 8)
    assert len(ranked_starts(split, images, [1, 2], side=3, settings=probe, count=1)) == 2


def test_the_layout_changes_no_answer():
    split, images = split_with(nn.Flatten()), torch.rand(4, 3, 8, 8)
    usual = split.head(split.features(images))
    other = split.head(split.features(images.contiguous(memory_format=torch.channels_last)))
    torch.testing.assert_close(usual, other)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_images_are_stacked_in_the_order_in_memory_that_they_have(layout):
    images = [batch.contiguous(memory_format=layout) for batch in (ONE, OTHER)]
    together = Stack().of(images)
    assert torch.equal(together, torch.stack([ONE, OTHER]))
    assert together.flatten(0, 1).is_contiguous(memory_format=layout)


def test_memory_is_shared_from_call_to_call():
    stack = Stack()
    first = stack.of([ONE, OTHER])
    assert stack.of([OTHER]).data_ptr() == first.data_ptr()
    assert torch.equal(first[0], OTHER)


def test_only_the_same_tensors_are_given_again_untouched():
    stack = Stack()
    stack.of([ONE, OTHER]).zero_()
    assert not stack.of([ONE, OTHER], reuse=True).any()
    assert torch.equal(stack.of([ONE, OTHER.clone()], reuse=True)[0], ONE)
    assert torch.equal(stack.of([ONE], reuse=True), ONE[None])
    assert torch.equal(stack.of([ONE]), ONE[None])
