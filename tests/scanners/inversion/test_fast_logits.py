"""The faster form of a network: the same logits and gradients, or the network as it is."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.scanners.inversion.fast_logits import FastLogits

pytestmark = pytest.mark.usefixtures("one_thread")


class Branching(nn.Module):
    """Cannot be traced, and flattens with ``view``, which refuses channels last."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3 * 16, 2)

    def forward(self, images):
        if float(images.detach().sum()) > 0:
            images = images + 1
        return self.linear(images.view(len(images), -1))


def normed():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    )
    network[1].running_mean.uniform_(-1, 1)
    network[1].running_var.uniform_(0.5, 2)
    return network


@pytest.mark.parametrize("make", [normed, Branching])
def test_logits_and_gradients_are_the_same(make):
    classifier = Classifier(make(), Preprocessing(mean=(0.5,)), num_classes=2, name="made")
    images = torch.rand(3, 3, 4, 4)
    answers = []
    for logits in (FastLogits(classifier, images[:2]), classifier):
        leaf = images.clone().requires_grad_(True)
        answer = logits(leaf)
        answers.append((answer.detach(), torch.autograd.grad(answer[:, 0].sum(), leaf)[0]))
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-4, atol=1e-5)


def test_the_classifier_keeps_its_batch_norms():
    classifier = Classifier(normed(), Preprocessing(), num_classes=2, name="made")
    before = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    FastLogits(classifier, torch.rand(2, 3, 4, 4))
    after = classifier.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
