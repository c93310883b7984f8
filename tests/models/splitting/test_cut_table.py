"""Every architecture that a TrojAI round or a model hub ships is cut exactly, by every rule."""

import gc
import re
import weakref
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from exray.judges.differencing.loss import exchange
from exray.models.architectures.libraries import TROJAI_ARCHITECTURES
from exray.models.architectures.registry import ARCHITECTURES, build
from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.cut_points import RULES
from exray.models.splitting.cut_table import (
    FROM_TIMM,
    TABLED,
    cut_rows,
    released_layer,
    rule_table,
    with_tables,
)
from exray.models.splitting.split_classifier import SplitClassifier

pytestmark = pytest.mark.usefixtures("one_thread_all_along")

PAGE = Path(__file__).parents[3] / "docs" / "architectures.md"
# One of each family; the others differ in depth and width alone.
QUICK = (
    *ARCHITECTURES, "resnet18", "densenet121", "googlenet", "inception_v3",
    "squeezenet1_1", "shufflenet_v2_x1_0", "vgg11_bn", "mobilenet_v2", *FROM_TIMM[:2],
)  # fmt: skip
CASES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TABLED]
SIDES = {"inception_v3": 96, "timm/vit_tiny_patch16_224": 224,
         "timm/swin_tiny_patch4_window7_224": 224, "timm/mixer_s32_224": 224}  # fmt: skip


def lively(name):
    """Untrained, but with statistics of its own features and no layer that is the identity."""
    torch.manual_seed(0)
    network = build(name, num_classes=5).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.2)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not norms:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, 0, 0.1)  # a mixer begins with logits of 0
    for key, scale in network.named_parameters():
        if key.endswith("gamma"):  # ConvNeXt begins with blocks that do next to nothing
            nn.init.constant_(scale, 0.5)
    if norms:
        with torch.no_grad():
            network(torch.rand(8, 3, side_of(name), side_of(name)))
    for norm in norms:  # a channel that hardly varies would amplify rounding
        norm.running_var.clamp_(min=0.1 * float(norm.running_var.mean()))
    return network.eval()


def side_of(name):
    return SIDES.get(name, 32 if name in ARCHITECTURES else 64)


@pytest.fixture(scope="module")
def one_thread_all_along():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass
class Case:
    classifier: Classifier
    images: torch.Tensor
    state: dict
    splits: dict


@pytest.fixture(scope="module", params=CASES)
def case(request, one_thread_all_along):
    del one_thread_all_along
    name = request.param
    network = lively(name)
    images = torch.rand(3, 3, side_of(name), side_of(name))
    state = {key: value.clone() for key, value in network.state_dict().items()}
    preparing = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))
    classifier = Classifier(network, preparing, num_classes=5, name=name)
    splits = {rule: SplitClassifier(classifier, rule, example=images[:2]) for rule in RULES}
    return Case(classifier, images, state, splits)


def assert_same_logits(logits, expected):
    """To float32 rounding in hundreds of layers: within 1e-4 of the greatest logit."""
    scale = float(expected.abs().max())
    assert scale > 1e-3
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("rule", RULES)
def test_head_of_body_is_the_classifier_and_the_head_changes_no_features(case, rule):
    split = case.splits[rule]
    features = split.cached_features(case.images)
    before = features.clone()
    assert_same_logits(split.head(features), case.classifier.predict(case.images))
    assert torch.equal(features, before)
    assert float(features.std()) > 0


def test_the_cut_is_the_one_that_the_manual_tells_and_can_be_asked_for_by_its_name(case):
    splits = [case.splits[rule] for rule in RULES]
    layers = tuple(split.layer for split in splits)
    rows = cut_rows(case.classifier.name, (*RULES, *layers))
    lines = PAGE.read_text().splitlines()
    assert all(line in lines for line in rule_table(rows[:3]).splitlines())
    cuts = [(split.layer, split.num_channels, 1) for split in splits]
    assert [(row.layer, row.shape[0], row.num_tensors) for row in rows] == cuts * 2


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2"])
def test_in_float64_folding_leaves_no_more_than_float64s_rounding(name, float64):
    del float64
    classifier = Classifier(lively(name), Preprocessing(), num_classes=5, name=name)
    images = torch.rand(2, 3, 64, 64)
    logits = classifier.predict(images)
    split = SplitClassifier(classifier, "middle", example=images)
    head_logits = split.head(split.cached_features(images))
    torch.testing.assert_close(head_logits, logits, rtol=0, atol=1e-11 * float(logits.abs().max()))


@pytest.mark.parametrize("rule", RULES)
def test_swapping_all_channels_swaps_the_predictions(case, rule):
    split = case.splits[rule]
    features = split.cached_features(case.images)
    everything = torch.ones(2, split.num_channels)
    swapped = split.head(exchange(features[:2], features[[1, 0]], everything))
    logits = case.classifier.predict(case.images[[1, 0]])
    assert_same_logits(swapped, logits)
    assert not torch.allclose(logits[0], logits[1], rtol=1e-3)


def test_gradients_reach_features_and_images(case):
    split = case.splits["second_last_conv"]
    images = case.images[:2].clone().requires_grad_(True)
    features = split.features(images)
    objective = split.head(features).square().sum()
    for gradient in torch.autograd.grad(objective, (features, images)):
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0


def test_the_network_is_as_it_was(case):
    network = case.classifier.network
    state = network.state_dict()
    assert list(state) == list(case.state)
    assert all(torch.equal(value, case.state[key]) for key, value in state.items())
    assert not any(module.training for module in network.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert not any(
        parameter.requires_grad or parameter.grad is not None for parameter in network.parameters()
    )


def test_a_split_that_is_let_go_frees_its_memory(case):
    split = case.splits.pop("middle")
    tensors = [*split.body.parameters(), *split.head.parameters()]
    gone = [weakref.ref(part) for part in (split, split.body, split.head, *tensors)]
    del split, tensors
    gc.collect()
    assert not any(reference() is not None for reference in gone)


# From the release's facts, section 1.5.
CHANNELS = {
    "resnet18": 256, "resnet34": 256, "resnet50": 1024, "resnet101": 1024, "resnet152": 1024,
    "wide_resnet50_2": 1024, "wide_resnet101_2": 1024, "densenet121": 1024, "densenet161": 2112,
    "densenet169": 1280, "densenet201": 1792, "googlenet": 832, "inception_v3": 2048,
    "squeezenet1_0": 512, "squeezenet1_1": 512, "shufflenet_v2_x1_0": 464,
    "shufflenet_v2_x1_5": 704, "shufflenet_v2_x2_0": 976, "vgg11_bn": 512, "vgg13_bn": 512,
    "vgg16_bn": 512, "vgg19_bn": 512, "mobilenet_v2": 160,
}  # fmt: skip


def test_the_released_codes_layer_can_be_cut_by_name(case):
    name = case.classifier.name
    if name not in TROJAI_ARCHITECTURES:
        pytest.skip("the released code cuts TrojAI's architectures alone")
    split = SplitClassifier(case.classifier, released_layer(name), example=case.images[:2])
    assert split.num_channels == CHANNELS[name]
    features = split.cached_features(case.images)
    before = features.clone()
    assert_same_logits(split.head(features), case.classifier.predict(case.images))
    assert torch.equal(features, before)  # an activation in place follows some of them


@pytest.mark.slow
def test_the_manuals_tables_are_those_of_the_code():
    assert with_tables(PAGE.read_text()) == PAGE.read_text()


def test_the_manual_has_every_architecture_and_rule_once():
    rows = re.findall(r"^\| (\S+) \| \d+ \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [(name, rule) for name in TABLED for rule in RULES]
