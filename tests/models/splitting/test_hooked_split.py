"""What torch.fx cannot trace is kept whole, or cut by hooks, or refused."""

import gc
import weakref

import pytest
import torch
from torch import nn

from exray.errors import LayerNotFoundError
from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.split_classifier import SplitClassifier

pytestmark = pytest.mark.usefixtures("one_thread")


def classifier_of(network):
    preparing = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))
    return Classifier(network, preparing, num_classes=5, name="net")


def trained_once(network):
    """Its batch norms have seen a batch, so none of them is the identity."""
    network.train()(torch.rand(8, 3, 8, 8))
    return network.eval()


class Moody(nn.Module):
    """Looks at its values, which torch.fx cannot follow."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 3, padding=1)

    def forward(self, x):
        return self.conv(x) if x.sum() > 0 else -self.conv(x)


def moody():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), Moody(), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip


@pytest.mark.parametrize("layer", ["second_last_conv", "2", "5"])
def test_a_module_that_cannot_be_traced_stays_whole(layer):
    classifier, images = classifier_of(moody()), torch.rand(3, 3, 8, 8)
    split = SplitClassifier(classifier, layer, example=images)
    torch.testing.assert_close(split.head(split.features(images)), classifier(images))


def test_the_inside_of_such_a_module_is_no_place_to_cut():
    with pytest.raises(LayerNotFoundError, match=r"'2.conv' is not in net; it has: .*1, 2, 3"):
        SplitClassifier(classifier_of(moody()), "2.conv", example=torch.rand(1, 3, 8, 8))


class Block(nn.Module):
    """Gives a tuple, as blocks of transformers do."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, tokens):
        return (tokens + self.mix(self.norm(tokens)), tokens.shape[1])


class Encoder(nn.Module):
    """Looks at its values, so that all its blocks are hidden from torch.fx."""

    def __init__(self, depth):
        super().__init__()
        self.blocks = nn.ModuleList([Block(6) for _ in range(depth)])

    def forward(self, tokens):
        if tokens.isnan().any():
            raise ValueError("NaN")
        for block in self.blocks:
            tokens, _ = block(tokens)
        return tokens


class TupleTransformer(nn.Module):
    def __init__(self, depth=4):
        super().__init__()
        self.patches, self.encoder = nn.Conv2d(3, 6, 4, stride=4), Encoder(depth)
        self.norm, self.linear = nn.LayerNorm(6), nn.Linear(6, 5)

    def forward(self, images):
        tokens = self.encoder(self.patches(images).flatten(2).transpose(1, 2))
        return self.linear(self.norm(tokens).mean(dim=1))


@pytest.mark.parametrize(
    ("layer", "place"),
    [
        ("second_last_conv", "encoder.blocks.2"),
        ("last_conv", "encoder.blocks.3"),
        ("middle", "encoder.blocks.2"),
        ("encoder.blocks.0", "encoder.blocks.0"),
    ],
)
def test_blocks_that_torch_fx_does_not_see_are_counted_and_their_tokens_are_features(layer, place):
    classifier, images = classifier_of(TupleTransformer()), torch.rand(3, 3, 12, 16)
    split = SplitClassifier(classifier, layer, example=images)
    assert split.layer == place
    assert split.feature_shape == (6, 12)  # channels, then 3 x 4 patches
    others = torch.rand(5, 3, 12, 16)
    torch.testing.assert_close(split.head(split.features(others)), classifier(others))


def test_tokens_after_the_last_norm_keep_their_channels():
    """The encoder ends after its own block; it does not read what the block gives."""
    classifier, images = classifier_of(TupleTransformer()), torch.rand(3, 3, 12, 16)
    split = SplitClassifier(classifier, "norm", example=images)
    assert split.feature_shape == (6, 12)


class Wilful(nn.Module):
    """The outermost forward itself cannot be traced."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        features = self.conv(x).amax(dim=(2, 3))
        return self.linear(features if features.sum() > 0 else -features)


class Hooked(nn.Module):
    """A deeper one: cut by hooks. The shortcut passes the second convolution."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.inner = nn.Conv2d(4, 4, 3, padding=1)
        self.join = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(4, 6, 3)
        self.end = nn.ReLU(inplace=True)
        self.linear = nn.Linear(6, 5)

    def forward(self, x):
        x = self.stem(x)
        if x.mean() < -1e9:
            x = -x
        x = self.end(self.last(self.join(x + self.inner(x))))
        return self.linear(x.flatten(2).mean(dim=2).view(len(x), -1))


@pytest.mark.parametrize(
    ("layer", "path", "shape"),
    [
        ("second_last_conv", "join", (4, 6, 6)),
        ("middle", "join", (4, 6, 6)),
        ("last_conv", "end", (6, 4, 4)),
        ("stem", "stem", (4, 6, 6)),
        ("stem.1", "stem.1", (4, 6, 6)),
    ],
)
def test_a_network_that_cannot_be_traced_at_all_is_cut_by_hooks(layer, path, shape):
    classifier, images = classifier_of(trained_once(Hooked())), torch.rand(3, 3, 8, 8)
    state = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    split = SplitClassifier(classifier, layer, example=images)
    assert (split.layer, split.feature_shape) == (path, shape)
    features = split.features(images.requires_grad_(True))
    before = features.detach().clone()
    split.head(features).square().sum().backward()
    parts, images.grad = images.grad, None
    classifier(images).square().sum().backward()
    torch.testing.assert_close(parts, images.grad, atol=1e-5, rtol=1e-3)
    assert torch.equal(features, before)
    others = torch.rand(5, 3, 8, 8)
    torch.testing.assert_close(split.head(split.cached_features(others)), classifier(others))
    network = classifier.network
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_hooks_refuse_a_layer_past_which_something_else_lives_or_nothing_remains():
    for layer in ("inner", "linear"):
        with pytest.raises(LayerNotFoundError, match=f"'{layer}' is no place to cut net.*stem"):
            SplitClassifier(classifier_of(Hooked()), layer, example=torch.rand(2, 3, 8, 8))
    with pytest.raises(LayerNotFoundError, match=r"'layer5' is not in net; it has: .*middle, stem"):
        SplitClassifier(classifier_of(Hooked()), "layer5", example=torch.rand(2, 3, 8, 8))


def test_hooks_too_need_two_convolutions():
    with pytest.raises(LayerNotFoundError, match=r"needs two convolutions .* net has 1; .*linear"):
        SplitClassifier(classifier_of(Wilful()), "last_conv", example=torch.rand(2, 3, 8, 8))


class Wayward(nn.Module):
    """Dark images take another way."""

    def __init__(self):
        super().__init__()
        self.conv, self.other, self.linear = (
            nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Linear(4, 5),
        )  # fmt: skip

    def forward(self, x):
        features = self.conv(x) if x.max() > 0.1 else self.other(x)
        return self.linear(features.amax(dim=(2, 3)))


def test_images_that_take_another_way_are_refused_when_they_come():
    split = SplitClassifier(
        classifier_of(Wayward()),
        "conv",
        example=torch.full((2, 3, 8, 8), 0.9) * torch.rand(2, 3, 8, 8),
    )
    with pytest.raises(ValueError, match="'conv' does not run on these images; cut elsewhere"):
        split.features(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("layer", ["second_last_conv", "conv"])
def test_a_split_that_is_let_go_frees_its_memory(layer):
    network = Hooked() if layer != "conv" else Wilful()
    split = SplitClassifier(classifier_of(network), layer, example=torch.rand(2, 3, 8, 8))
    gone = [weakref.ref(part) for part in (split, split.body, split.head, split.body.network)]
    del split
    gc.collect()
    assert not any(reference() is not None for reference in gone)
