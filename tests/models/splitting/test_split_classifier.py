"""A cut network gives the whole one's logits, and the whole one is left alone."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from exray.errors import LayerNotFoundError
from exray.judges.differencing.loss import exchange
from exray.models.architectures.registry import ARCHITECTURES, build
from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.cut_points import RULES
from exray.models.splitting.split_classifier import SplitClassifier

pytestmark = pytest.mark.usefixtures("one_thread")

CUTS = {
    ("signs_resnet", "second_last_conv"): ("stage3", (64, 8, 8)),
    ("signs_resnet", "last_conv"): ("conv", (64, 8, 8)),
    ("signs_resnet", "middle"): ("stage2", (32, 16, 16)),
    ("network_in_network", "second_last_conv"): ("19", (192, 8, 8)),
    ("network_in_network", "last_conv"): ("21", (5, 8, 8)),
    ("network_in_network", "middle"): ("11", (192, 16, 16)),
    ("plain_cnn", "second_last_conv"): ("4", (64, 8, 8)),
    ("plain_cnn", "last_conv"): ("6", (64, 4, 4)),
    ("plain_cnn", "middle"): ("4", (64, 8, 8)),
    ("grey_cnn", "second_last_conv"): ("3", (32, 16, 16)),
    ("grey_cnn", "last_conv"): ("5", (64, 8, 8)),
    ("grey_cnn", "middle"): ("3", (32, 16, 16)),
    ("grey_lenet", "second_last_conv"): ("2", (12, 32, 32)),
    ("grey_lenet", "last_conv"): ("5", (24, 12, 12)),
    ("grey_lenet", "middle"): ("5", (24, 12, 12)),
    ("small_mobile", "second_last_conv"): ("9", (96, 4, 4)),
    ("small_mobile", "last_conv"): ("10", (96, 4, 4)),
    ("small_mobile", "middle"): ("5", (64, 8, 8)),
    ("narrow_nin", "second_last_conv"): ("7", (128, 4, 4)),
    ("narrow_nin", "last_conv"): ("8", (5, 4, 4)),
    ("narrow_nin", "middle"): ("4", (96, 8, 8)),
    ("norm_free_cnn", "second_last_conv"): ("6", (32, 16, 16)),
    ("norm_free_cnn", "last_conv"): ("9", (48, 8, 8)),
    ("norm_free_cnn", "middle"): ("6", (32, 16, 16)),
    ("norm_free_elu", "second_last_conv"): ("13", (48, 8, 8)),
    ("norm_free_elu", "last_conv"): ("15", (48, 8, 8)),
    ("norm_free_elu", "middle"): ("9", (24, 16, 16)),
    ("small_nin", "second_last_conv"): ("6", (96, 8, 8)),
    ("small_nin", "last_conv"): ("7", (5, 8, 8)),
    ("small_nin", "middle"): ("4", (64, 8, 8)),
    ("small_resnet", "second_last_conv"): ("4", (64, 4, 4)),
    ("small_resnet", "last_conv"): ("4", (64, 4, 4)),
    ("small_resnet", "middle"): ("3", (32, 8, 8)),
    ("small_vgg", "second_last_conv"): ("6", (48, 8, 8)),
    ("small_vgg", "last_conv"): ("7", (48, 8, 8)),
    ("small_vgg", "middle"): ("4", (24, 16, 16)),
}


def with_statistics(network):
    """Batch norms as after training: none of them is the identity."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return network


def classifier_of(network, name="net", num_classes=5):
    preparing = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))
    return Classifier(network, preparing, num_classes=num_classes, name=name)


def own(architecture):
    network = with_statistics(build(architecture, num_classes=5))
    size = 64 if architecture == "signs_resnet" else 32
    return classifier_of(network, architecture), torch.rand(3, 3, size, size)


@pytest.mark.parametrize(("architecture", "rule"), CUTS)
def test_head_of_body_is_the_classifier_and_the_cut_is_the_documented_one(architecture, rule):
    classifier, images = own(architecture)
    split = SplitClassifier(classifier, rule, example=images)
    logits = split.head(split.cached_features(images, batch_size=2))
    torch.testing.assert_close(logits, classifier(images), atol=1e-5, rtol=1e-4)
    assert (split.layer, split.feature_shape) == CUTS[architecture, rule]
    assert split.num_channels == split.feature_shape[0]


def test_every_own_network_and_rule_has_its_cut_written_down():
    assert set(CUTS) == {(name, rule) for name in ARCHITECTURES for rule in RULES}


def test_a_classifier_is_cut_once_per_layer_and_size():
    classifier, images = own("plain_cnn")
    first = SplitClassifier.of(classifier, "middle", images)
    again = SplitClassifier.of(classifier, "middle", images.flip(0))
    assert again.body is first.body
    assert again.classifier is classifier
    assert SplitClassifier.of(classifier, "last_conv", images).body is not first.body
    assert SplitClassifier.of(classifier, "middle", images[..., :16, :16]).body is not first.body
    assert len(classifier.splits) == 1  # those of the other size are dropped


def test_the_parts_are_freed_with_their_classifier():
    classifier, images = own("plain_cnn")
    part = weakref.ref(SplitClassifier.of(classifier, "middle", images).body)
    del classifier
    gc.collect()  # a graph and its module refer to one another
    assert part() is None


@pytest.mark.parametrize("layer", ["stem", "stem.0", "stage1", "stage3.relu", "pool", "flatten"])
def test_a_module_path_cuts_after_that_module(layer):
    classifier, images = own("signs_resnet")
    split = SplitClassifier(classifier, layer, example=images)
    expected = {}
    module = classifier.network.get_submodule(layer)
    handle = module.register_forward_hook(lambda _, __, out: expected.update(out=out.clone()))
    whole = classifier(images)
    handle.remove()
    features = split.features(images)
    torch.testing.assert_close(features, expected["out"], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(split.head(features), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_swapping_all_channels_swaps_the_predictions(architecture):
    classifier, images = own(architecture)
    for rule in RULES:
        split = SplitClassifier(classifier, rule, example=images)
        features = split.cached_features(images)
        whole = torch.ones(2, features.shape[1])
        swapped = split.head(exchange(features[:2], features[[1, 0]], whole))
        torch.testing.assert_close(swapped, classifier(images[[1, 0]]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_network_is_untouched_before_during_and_after(architecture):
    classifier, images = own(architecture)
    network = classifier.network
    modules = dict(network.named_modules())
    state = {name: value.clone() for name, value in network.state_dict().items()}

    def check():
        now = dict(network.named_modules())
        assert list(now) == list(modules)
        assert all(now[name] is module for name, module in modules.items())
        assert not any(module.training for module in now.values())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in now.values())
        assert not any(parameter.requires_grad for parameter in network.parameters())
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())

    check()
    split = SplitClassifier(classifier, "second_last_conv", example=images)
    check()
    split.head(split.features(images.requires_grad_(True))).sum().backward()
    for part in (split.body, split.head):
        for parameter in part.parameters():
            parameter.zero_()
    del split
    check()


def test_gradients_reach_the_images_through_both_parts():
    classifier, images = own("plain_cnn")
    split = SplitClassifier(classifier, "middle", example=images)
    whole, parts = images.clone().requires_grad_(True), images.clone().requires_grad_(True)
    classifier(whole).square().sum().backward()
    split.head(split.features(parts)).square().sum().backward()
    torch.testing.assert_close(parts.grad, whole.grad, atol=1e-5, rtol=1e-3)


def test_a_layer_that_does_not_exist_is_refused_with_those_that_do():
    message = "'layer5' is not in signs_resnet; it has: second_last_conv, last_conv, middle, stem.0"
    classifier, images = own("signs_resnet")
    with pytest.raises(LayerNotFoundError, match=message):
        SplitClassifier(classifier, "layer5", example=images)


@pytest.mark.parametrize("layer", ["stage2.conv", "linear"])
def test_where_other_tensors_live_or_no_features_remain_there_is_no_cut(layer):
    classifier, images = own("signs_resnet")
    with pytest.raises(LayerNotFoundError, match=f"'{layer}' is no place to cut signs_resnet"):
        SplitClassifier(classifier, layer, example=images)


def one_convolution():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    )


def test_a_network_of_one_convolution_has_no_second_last_but_can_be_cut_by_name():
    classifier, images = classifier_of(one_convolution()), torch.rand(2, 3, 8, 8)
    with pytest.raises(
        LayerNotFoundError, match="needs two convolutions or repeated blocks, and net has 1"
    ):
        SplitClassifier(classifier, "second_last_conv", example=images)
    split = SplitClassifier(classifier, "1", example=images)
    assert split.feature_shape == (4, 6, 6)


class Noisy(nn.Module):
    """Gives something else at each call."""

    def forward(self, x):
        return F.dropout(x, 0.5, True)


def test_a_split_that_does_not_give_the_logits_is_refused():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Noisy(), *one_convolution()[2:])
    with pytest.raises(ValueError, match="cutting net at '1' changes its logits by up to"):
        SplitClassifier(classifier_of(network), "1", example=torch.rand(2, 3, 8, 8))


class Twice(nn.Module):
    """Two tensors from one operation that cannot be traced."""

    def forward(self, x):
        return (x, x) if x.sum() > 0 else (x, -x)


class Added(nn.Module):
    def __init__(self):
        super().__init__()
        self.twice, self.linear = Twice(), nn.Linear(192, 5)

    def forward(self, x):
        one, other = self.twice(x)[0], 1.0
        return self.linear((one * other).flatten(1))


def test_a_cut_must_give_one_tensor():
    with pytest.raises(LayerNotFoundError, match="'twice' gives no tensor of features"):
        SplitClassifier(classifier_of(Added()), "twice", example=torch.rand(2, 3, 8, 8))


def test_preprocessing_comes_before_the_body():
    classifier, images = own("plain_cnn")
    bare = Classifier(
        classifier.network, replace(classifier.preprocessing, mean=()), num_classes=5, name="bare"
    )
    one, other = (
        SplitClassifier(model, "middle", example=images).features(images)
        for model in (classifier, bare)
    )
    assert not torch.allclose(one, other)


def test_in_bfloat16_features_and_logits_have_the_images_precision():
    classifier, images = own("plain_cnn")
    exact = SplitClassifier(classifier, "middle", example=images)
    split = SplitClassifier(classifier.in_precision("bfloat16"), "middle", example=images)
    features = split.features(images)
    logits = split.logits(features)
    assert features.dtype == logits.dtype == torch.float32
    torch.testing.assert_close(features, exact.features(images), rtol=0.05, atol=0.05)
    assert not torch.equal(features, exact.features(images))
    torch.testing.assert_close(logits, exact.logits(features), rtol=0.05, atol=0.05)
    assert not torch.equal(logits, exact.logits(features))


@pytest.mark.parametrize("architecture", ["signs_resnet", "torchvision/resnet18"])
def test_a_cut_is_checked_in_float32(architecture):
    """bfloat16 has three digits: parts without batch norms differ from the whole by more."""
    network = with_statistics(build(architecture, num_classes=5))
    classifier = classifier_of(network).in_precision("bfloat16")
    images = torch.rand(3, 3, 64, 64)
    split = SplitClassifier(classifier, "middle", example=images)
    whole = classifier(images)
    difference = split.logits(split.features(images)) - whole
    assert difference.abs().max() > 1e-4 * (1 + whole.abs().max())
