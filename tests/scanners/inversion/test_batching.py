"""Images go through a network in the layout it takes, and the layout changes no answer."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.inversion.batching import fastest_layout
from exray.scanners.inversion.initialization import ProbeSettings, best_starts

pytestmark = pytest.mark.usefixtures("one_thread")


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
    assert len(best_starts(split, torch.rand(3, 3, 8, 8), [1, 2], side=3, settings=probe)) == 2


def test_the_layout_changes_no_answer():
    split, images = split_with(nn.Flatten()), torch.rand(4, 3, 8, 8)
    usual = split.head(split.features(images))
    other = split.head(split.features(images.contiguous(memory_format=torch.channels_last)))
    torch.testing.assert_close(usual, other)
