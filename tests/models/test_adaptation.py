"""Strangers' networks made to take RGB images and to return logits."""

import pytest
import torch
from torch import nn

from exray.models.adaptation import adapted
from exray.models.classifier import Preprocessing
from exray.models.fixed_batch import FixedBatch
from exray.models.loading import load_classifier
from exray.models.splitting.split_classifier import SplitClassifier

IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Wrapped(nn.Module):
    """A small network with a function before and one after it."""

    def __init__(self, before=lambda x: x, after=lambda x: x, channels=3, outputs=4):
        super().__init__()
        self.before, self.after = before, after
        self.conv1 = nn.Conv2d(channels, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(5, 6, 3, padding=1)
        self.last = nn.Linear(6, outputs)

    def forward(self, images):
        features = self.relu(self.conv1(self.before(images)))
        return self.after(self.last(self.relu(self.conv2(features)).mean(dim=(2, 3))))


def fit_of(network):
    return adapted(network.eval(), Preprocessing(), IMAGES)


torch.manual_seed(0)
KINDS = {
    "grey": Wrapped(channels=1),
    "alpha": Wrapped(channels=4),
    "channels last": Wrapped(lambda x: x.permute(0, 3, 1, 2)),
    "float64": Wrapped().double(),
    "batches of 8": Wrapped(lambda x: x.view(8, 3, 8, 8)),
    "batches of 2": Wrapped(lambda x: x.view(2, 3, 8, 8)),
    "softmax of 1": Wrapped(lambda x: x.view(1, 3, 8, 8), after=lambda x: x.softmax(dim=1)),
    "tuple": Wrapped(after=lambda x: (x, None)),
    "dict": Wrapped(after=lambda x: {"logits": x, "features": 2 * x}),
    "map": Wrapped(after=lambda x: x[:, :, None, None]),
    "sigmoid": Wrapped(after=lambda x: (x - x.mean(dim=1, keepdim=True)).sigmoid()),
    "softmax": Wrapped(after=lambda x: x.softmax(dim=1)),
    "one logit": Wrapped(outputs=1),
    "flat logit": Wrapped(after=lambda x: x[:, 0], outputs=1),
    "one probability": Wrapped(after=torch.sigmoid, outputs=1),
    "bytes": Wrapped(lambda x: x.float() / 255 if x.dtype is torch.uint8 else [][0]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_returns_logits_says_so_and_is_cut(kind):
    classifier = load_classifier(KINDS[kind], example=IMAGES)
    logits = classifier.predict(torch.cat([IMAGES, IMAGES])[:9])
    assert logits.shape == (9, 2 if "one" in kind or "flat" in kind else 4)
    assert logits.dtype is torch.float32
    assert classifier.warnings
    for layer in ("middle", "conv2"):
        split = SplitClassifier(classifier, layer, example=IMAGES[:3])
        whole = split.head(split.features(IMAGES))
        torch.testing.assert_close(whole, classifier(IMAGES), rtol=1e-4, atol=1e-4)
        assert split.num_channels in (5, 6)


def test_predictions_are_the_networks_own():
    network = Wrapped(after=lambda x: (x.softmax(dim=1) + 0, x)).eval()
    fit = fit_of(network)
    assert torch.equal(fit.network(IMAGES).argmax(1), network(IMAGES)[0].argmax(1))
    single = Wrapped(after=torch.sigmoid, outputs=1).eval()
    single.last.bias.data -= single(IMAGES).logit().median()
    predicted = fit_of(single).network(IMAGES).argmax(dim=1)
    assert torch.equal(predicted, (single(IMAGES)[:, 0] > 0.5).long())
    assert len(predicted.unique()) == 2


def test_a_single_numbers_threshold_is_said():
    assert "above 0, else class 0" in fit_of(Wrapped(outputs=1)).remarks[-1]
    certain = Wrapped(after=lambda x: (x - x.mean()).sigmoid(), outputs=1)
    assert "above 0.5, else class 0" in "".join(fit_of(certain).remarks)


def test_images_that_influence_each_other_are_said_and_randomness_is_not():
    by_batch = Wrapped(lambda x: x - x.mean(dim=0))
    assert any("other images of its batch" in said for said in fit_of(by_batch).remarks)
    random = Wrapped(lambda x: x + torch.rand_like(x))
    assert fit_of(random).remarks == ()


def test_norms_without_running_statistics_are_said():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(),
        nn.Linear(144, 3),
    )  # fmt: skip
    assert any("batch statistics" in said for said in fit_of(network).remarks)


@pytest.mark.parametrize("kind", ["batches of 8", "batches of 2", "softmax of 1"])
def test_a_network_of_one_batch_size_is_cut_inside_its_batches(kind):
    classifier = load_classifier(KINDS[kind], example=IMAGES)
    assert isinstance(classifier.network, FixedBatch)
    split = SplitClassifier(classifier, "conv1", example=IMAGES)
    assert isinstance(split.body, FixedBatch)
    assert split.features(IMAGES).shape == (6, 5, 8, 8)
