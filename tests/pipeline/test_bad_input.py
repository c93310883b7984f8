"""What exray.scan's defaults say of networks and images that a scan can say nothing of."""

import pytest
import torch
from torch import nn

import exray

pytestmark = pytest.mark.usefixtures("one_thread")

PER_CLASS = 6  # of colour_samples


class Outputs(nn.Module):
    """A network with a function on its logits."""

    def __init__(self, network, function):
        super().__init__()
        self.network = network
        self.function = function

    def forward(self, images):
        return self.function(self.network(images))


def one_hot(logits):
    return 7 * nn.functional.one_hot(logits.argmax(dim=1), logits.shape[1]).float()


BROKEN = {
    "constant": (lambda logits: 0 * logits + 3, "the network is constant"),
    "nan": (lambda logits: logits / 0, "the network returns NaN or infinity on 18 of 18"),
    "saturated": (lambda logits: (1e4 * logits).softmax(dim=1), "all 0 or 1 on 18 of 18 clean"),
    "random": (nn.functional.dropout, "the network is random in eval mode"),
    "without gradient": (one_hot, "the network gives no gradient to its images"),
}
COUNTS = {
    "two images a class": ((2, 2, 2), "fewer than two classes have 3 images classified right"),
    "one class with enough": ((6, 1, 0), "fewer than two classes have 3 images classified right"),
    "one class": ((0, 6, 0), "the clean images are of one class alone"),
    "wrong labels": ((6, 6, 6), "clean accuracy 0.00 is under 0.5; with the classes numbered"),
}


def inconclusive(report, said):
    assert report.verdict is exray.Verdict.INCONCLUSIVE
    assert report.probability == 0.5
    assert report.remarks[-1].startswith("inconclusive: ")
    assert said in report.remarks[-1]
    return True


def first(samples, counts):
    """The first images of each class, as many as told."""
    rows = [PER_CLASS * index + place for index, n in enumerate(counts) for place in range(n)]
    return samples.images[rows], samples.labels[rows]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_network_is_inconclusive(trojaned, colour_samples, name):
    function, said = BROKEN[name]
    report = exray.scan(Outputs(trojaned.network, function), colour_samples)
    assert inconclusive(report, said)
    assert report.record.searches == []


@pytest.mark.parametrize("name", COUNTS)
def test_images_that_are_too_few_or_wrong_are_inconclusive(trojaned, colour_samples, name):
    counts, said = COUNTS[name]
    images, labels = first(colour_samples, counts)
    if name == "wrong labels":
        labels = (labels + 1) % 3
    assert inconclusive(exray.scan(trojaned, (images, labels)), said)


@pytest.fixture
def portfolio():
    """The default scanner, at the planted network's only cut."""
    return exray.make_scanner(engine__layer="relu")


def test_a_class_that_is_never_predicted_leaves_no_silent_clean(
    clean_twin, colour_samples, portfolio
):
    clean_twin.network.linear.bias.data[2] = -100
    report = exray.scan(clean_twin, colour_samples, scanner=portfolio, layer="relu")
    assert inconclusive(report, "class blue is never predicted on clean images")
    assert all(search["num_found"] == 0 for search in report.record.searches)


@pytest.mark.parametrize(("brightness", "verdict"), [(60.0, "trojaned"), (0.0, "clean")])
def test_two_classes_are_enough(trojaned, colour_samples, portfolio, brightness, verdict):
    linear = trojaned.network.linear
    linear.weight.data[1, 3] = brightness
    linear.weight.data, linear.bias.data = linear.weight.data[:2], linear.bias.data[:2]
    samples = first(colour_samples, (6, 6))
    report = exray.scan(trojaned.network, samples, scanner=portfolio, layer="relu")
    assert report.verdict == verdict
    assert len(report.record.searches) == len(portfolio.searches)
    assert not report.remarks


class Rounded(nn.Module):
    """A network that rounds its input to bytes."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(torch.round(images * 255) / 255)


def test_a_network_that_rounds_its_input_is_scanned_all_the_same(trojaned, colour_samples):
    trojaned.network.linear.weight.data[1, 3] = 60.0
    cut = "network.network.relu"
    report = exray.scan(
        Rounded(trojaned.network),
        colour_samples,
        scanner=exray.make_scanner(engine__layer=cut),
        layer=cut,
    )
    assert report.verdict is exray.Verdict.TROJANED
    assert any("pass straight through" in remark for remark in report.remarks)
