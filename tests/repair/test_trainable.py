"""Only networks whose weights can be learned are copied for it."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.repair.trainable import trainable_copy


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 3)

    def forward(self, images):
        return self.linear(images.flatten(1)).detach()


class Buffered(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.rand(3, 12))

    def forward(self, images):
        return images.flatten(1) @ self.weight.T


IMAGES, LABELS = torch.rand(4, 3, 2, 2), torch.tensor([0, 1, 2, 0])


def of(network):
    return Classifier(network, Preprocessing(), num_classes=3, name="net")


def test_the_copy_learns_and_the_classifier_stays_frozen():
    classifier = of(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)))
    network = trainable_copy(classifier, IMAGES, LABELS)
    assert all(weight.requires_grad for weight in network.parameters())
    assert not any(weight.requires_grad for weight in classifier.network.parameters())
    assert all(weight.grad is None for weight in network.parameters())


def test_a_network_in_eval_only_form_is_refused():
    with pytest.raises(ValueError, match=r"net has no weights .* for evaluation only; give"):
        trainable_copy(of(Buffered()), IMAGES, LABELS)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_scripted_network_is_refused():
    scripted = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval(), IMAGES)
    with pytest.raises(ValueError, match=r"net has no weights .* for evaluation only; give"):
        trainable_copy(of(scripted), IMAGES, LABELS)


def test_a_network_without_gradients_to_its_weights_is_refused():
    with pytest.raises(ValueError, match=r"no gradient reaches the weights of net: .* give"):
        trainable_copy(of(Detached()), IMAGES, LABELS)
