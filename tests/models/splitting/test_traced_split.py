"""Body and head of a traced network: blocks, several live tensors, sizes and constants."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from exray.errors import LayerNotFoundError
from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.cut_points import Cut, find_cut
from exray.models.splitting.split_classifier import SplitClassifier
from exray.models.splitting.traced_split import traced_body, traced_head
from exray.models.splitting.tracing import trace

pytestmark = pytest.mark.usefixtures("one_thread")


def classifier_of(network):
    preparing = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))
    return Classifier(network, preparing, num_classes=5, name="net")


class Tokens(nn.Module):
    """Two blocks over patches with a class token; the number of images is read at the start."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.rand(1, 1, 8))
        self.blocks = nn.ModuleList(TokenBlock() for _ in range(3))
        self.linear = nn.Linear(8, 5)

    def forward(self, x, scale=None):
        count, _, height, _ = x.shape
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(count, -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        if scale is not None:
            x = x * scale
        return self.linear(x[:, 0].reshape(count, -1)) * height


class TokenBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.mix, self.linear = nn.LayerNorm(8), nn.Linear(5, 5), nn.Linear(8, 8)

    def forward(self, x):
        return x + self.linear(self.mix(self.norm(x).transpose(1, 2)).transpose(1, 2))


@pytest.mark.parametrize(
    ("layer", "path"),
    [("second_last_conv", "blocks.1"), ("last_conv", "blocks.2"), ("middle", "blocks.1")],
)
def test_transformers_are_cut_after_blocks_with_channels_second(layer, path):
    classifier, images = classifier_of(Tokens()), torch.rand(3, 3, 8, 8)
    split = SplitClassifier(classifier, layer, example=images[:2])
    assert (split.layer, split.feature_shape) == (path, (8, 5))
    logits = split.head(split.features(images))  # another number of images than it was cut with
    torch.testing.assert_close(logits, classifier(images))


class TwoEnds(nn.Module):
    """Two tensors live until the logits are added: no point has one."""

    def __init__(self, stride=1):
        super().__init__()
        self.stem, self.one = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3, padding=1)
        self.left, self.right = nn.Linear(6, 5), nn.Linear(4, 5)
        self.pool = nn.MaxPool2d(stride)

    def forward(self, x):
        x = self.stem(x)
        y = self.pool(self.one(x).relu())
        return self.left(y.amax(dim=(2, 3))) + self.right(x.mean(dim=(2, 3)))


def test_where_no_point_has_one_live_tensor_all_of_them_are_features():
    classifier, images = classifier_of(TwoEnds()), torch.rand(3, 3, 8, 8)
    split = SplitClassifier(classifier, "last_conv", example=images)
    assert (split.layer, split.feature_shape) == ("relu", (10, 6, 6))
    features = split.features(images)
    torch.testing.assert_close(split.head(features), classifier(images))
    torch.testing.assert_close(split.head(features.flip(0)), classifier(images).flip(0))


class Scaled(nn.Module):
    """Uses a parameter of its own before and after the cut."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)

    def forward(self, x):
        scale = self.scale
        return F.relu(self.two(F.relu(self.one(x * scale))) * scale).mean(dim=(2, 3))


def test_constants_are_fetched_again_after_the_cut():
    classifier, images = classifier_of(Scaled()), torch.rand(2, 3, 8, 8)
    split = SplitClassifier(classifier, "second_last_conv", example=images)
    assert split.feature_shape == (4, 6, 6)
    torch.testing.assert_close(split.head(split.features(images)), classifier(images))


class InPlace(nn.Module):
    """Adds to its features in place after the cut."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        return self.linear(self.conv(x).add_(1).amax(dim=(2, 3)))


def test_the_head_leaves_its_features_as_they_are():
    network, images = InPlace().eval(), torch.rand(2, 3, 8, 8)
    traced = trace(network, images, name="net")
    cut = find_cut(traced, "conv")
    body, head = traced_body(traced, cut, 1), traced_head(traced, cut, 1, images)
    features = body(images)
    before = features.clone()
    torch.testing.assert_close(head(features), network(images))
    assert torch.equal(features, before)
    assert torch.equal(features, network.conv(images))


class Reads(nn.Module):
    """The value of an image's pixel is needed after the cut, and is no size."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        mean = x.mean(dim=(1, 2, 3))
        return self.linear(self.conv(x).amax(dim=(2, 3))) * mean[:, None]


def test_a_head_that_needs_more_than_features_and_sizes_is_refused():
    images = torch.rand(2, 3, 8, 8)
    traced = trace(Reads().eval(), images, name="net")
    after = traced.outputs["conv"]
    cut = Cut(after=after, live=(after,), start=after, counted="conv", layer="conv")
    with pytest.raises(LayerNotFoundError, match="is no place to cut net: mean is needed after it"):
        traced_head(traced, cut, 1, images)
