"""A network whose head is linear above one ReLU that it uses twice."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.split_classifier import SplitClassifier


class Shared(nn.Module):
    """One ReLU module in two places and a function in a third."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 5, 1)
        self.relu = nn.ReLU(inplace=True)
        self.linear = nn.Linear(5, 3)

    def forward(self, images):
        features = self.relu(self.first(images))
        deeper = torch.relu(self.relu(self.second(features)) - 0.05)
        return self.linear(deeper.mean(dim=(2, 3)))


@pytest.fixture
def shared_relu_split(colour_samples):
    classifier = Classifier(Shared(), Preprocessing(), num_classes=3, name="shared")
    return SplitClassifier(classifier, "first", example=colour_samples.images[:2])


@pytest.fixture
def linear_split(trojaned, colour_samples):
    """Cut so that the head is a mean and a linear layer: contributions are known by hand."""
    return SplitClassifier(trojaned, "relu", example=colour_samples.images[:2])


@pytest.fixture
def contribution(trojaned):
    """Of each neuron to a class's logit, where the head is linear: weight times mean."""

    def by_hand(features, class_index):
        return features.mean(dim=(2, 3)) * trojaned.network.linear.weight[class_index]

    return by_hand
