"""The classes' shares of a training, as batch norms remember them."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from exray.judges.differencing.norm_memory import NormMemory
from exray.judges.differencing.share_evidence import class_shares, share_evidence
from exray.models.classifier import Classifier, Preprocessing

CLASSES = 5


class Coloured(nn.Module):
    """A channel for each class and one more, and a batch norm behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(CLASSES + 1)
        self.last = nn.Linear(CLASSES + 1, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(images.mean(dim=2, keepdim=True)).mean(dim=(2, 3)))


def images_of(counts, seed=0):
    """So many images of each class, bright where their class is, with some noise."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    stream = torch.Generator().manual_seed(seed)
    images = 0.2 * torch.rand((len(labels), len(counts) + 1, 4, 4), generator=stream)
    images[torch.arange(len(labels)), labels] += 0.5
    return images, labels


def trained_on(counts):
    """A classifier whose batch norm has the statistics of so many images of each class."""
    network = Coloured()
    network.norm.momentum = None
    network.train()
    with torch.no_grad():
        network(images_of(counts, seed=1)[0])
    return Classifier(network, Preprocessing(), num_classes=CLASSES, name="net")


def said_of(classifier, images, labels):
    memory = NormMemory.of(classifier, images, labels)
    return {} if memory is None else share_evidence(memory, classifier.num_classes)


@pytest.mark.parametrize(("counts", "greatest"), [([50] * 5, 1.0), ([100, 25, 25, 25, 25], 2.5)])
def test_the_class_that_had_more_of_the_training_is_told(counts, greatest):
    images, labels = images_of([6] * CLASSES)
    said = said_of(trained_on(counts), images, labels)
    assert math.exp(said["greatest_share"]) == pytest.approx(greatest, rel=0.1)


def test_it_does_not_depend_on_the_order_or_the_number_of_the_images():
    images, labels = images_of([20] * CLASSES)
    classifier = trained_on([80, 20, 20, 20, 20])
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(2))
    first = said_of(classifier, images, labels)["greatest_share"]
    assert said_of(classifier, images[order], labels[order])["greatest_share"] == (
        pytest.approx(first, abs=1e-6)
    )


def test_nothing_is_said_where_there_is_nothing_to_go_by():
    images, labels = images_of([6] * CLASSES)
    classifier = trained_on([50] * CLASSES)
    assert said_of(classifier, images[labels != 3], labels[labels != 3]) == {}
    plain = nn.Sequential(nn.Flatten(), nn.Linear(16 * (CLASSES + 1), CLASSES))
    free = Classifier(plain, Preprocessing(), num_classes=CLASSES, name="free")
    assert said_of(free, images, labels) == {}
    few = nn.Sequential(nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 3))
    three = Classifier(few, Preprocessing(), num_classes=3, name="three")
    assert said_of(three, *images_of([4] * 3)) == {}


def test_a_solver_that_does_not_converge_fails_no_scan(monkeypatch):
    def stuck(*_):
        raise RuntimeError("Maximum number of iterations reached.")

    images, labels = images_of([6] * CLASSES)
    classifier = trained_on([50] * CLASSES)
    monkeypatch.setattr("exray.judges.differencing.share_evidence.nnls", stuck)
    assert said_of(classifier, images, labels) == {}


def test_as_many_channels_as_classes_do_not_tell_the_shares():
    images, labels = images_of([6] * CLASSES)
    narrow = nn.Sequential(nn.BatchNorm2d(CLASSES), nn.Flatten(), nn.Linear(80, CLASSES))
    classifier = Classifier(narrow, Preprocessing(), num_classes=CLASSES, name="narrow")
    assert said_of(classifier, images[:, :CLASSES], labels) == {}


def test_shares_are_never_below_zero_and_sum_to_about_one():
    means = np.eye(4)
    shares = class_shares(means, np.array([0.7, 0.4, -0.2, 0.1]), np.ones(4))
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1, abs=0.05)
    assert int(shares.argmax()) == 0
