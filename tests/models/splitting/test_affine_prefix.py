"""What moves from the head into the features, and that nothing changes by it."""

from dataclasses import replace

import pytest
import torch
from torch import fx, nn

from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair
from exray.judges.differencing.head_runner import HeadSettings
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.mask_search import find_masks
from exray.judges.differencing.objectives.cross_entropy import CrossEntropyBarrier
from exray.models.splitting.affine_prefix import hoisted

SETTINGS = MaskSettings(
    objective=CrossEntropyBarrier(
        alpha=0.1, weight_large=100.0, weight_small=0.0, direction="both"
    ),
    learning_rate=0.05,
    epochs=100,
    patience=100,
    recheck=1,
    pairing="each_epoch",
    compute=HeadSettings(
        memory_budget_gb=1.0, precision="float32", channels_last=False, compile=False
    ),
    seed=0,
)


def traced(*layers):
    return fx.symbolic_trace(nn.Sequential(*layers).eval().requires_grad_(False))


def names(module):
    return [type(layer).__name__ for layer in module.modules() if not list(layer.children())]


def test_pooling_norms_dropout_and_depthwise_convolutions_move_and_the_rest_stays():
    norm = nn.BatchNorm2d(4)
    nn.init.uniform_(norm.running_mean)
    depthwise = nn.Conv2d(4, 4, 3, groups=4)
    head = traced(norm, nn.Dropout(), depthwise, nn.AvgPool2d(2), nn.ReLU(), nn.Flatten())
    parts = hoisted(head)
    assert names(parts.prefix) == ["BatchNorm2d", "Dropout", "Conv2d", "AvgPool2d"]
    assert names(parts.rest) == ["ReLU", "Flatten"]
    features = torch.rand(3, 4, 8, 8)
    torch.testing.assert_close(parts.rest(parts.prefix(features)), head(features))


@pytest.mark.parametrize(
    "first", [nn.Conv2d(4, 4, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()], ids=str
)
def test_what_mixes_channels_or_bends_values_stays_in_the_head(first):
    head = traced(first, nn.Flatten())
    parts = hoisted(head)
    assert names(parts.prefix) == ["Identity"]
    assert parts.rest is head


def test_a_head_that_reads_its_features_twice_stays_whole():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool = nn.AdaptiveAvgPool2d(1)

        def forward(self, x):
            return self.pool(x) + x.amax(dim=(2, 3), keepdim=True)

    head = fx.symbolic_trace(Twice().eval())
    assert hoisted(head).rest is head


def test_a_head_that_was_not_traced_stays_whole():
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1))
    assert hoisted(head).rest is head


@pytest.mark.usefixtures("float64", "one_thread")
def test_masks_are_the_same_with_and_without():
    head = traced(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))
    bank = 60 * torch.randn(40, 6, 3, 3)
    labels = head(bank).argmax(dim=1)
    rows = [tuple((labels == k).nonzero().flatten()[:5].tolist()) for k in (0, 1)]
    sets = [SetPair(first=rows[0], second=rows[1], first_class=0, second_class=1, one_to_one=False)]
    whole = find_masks(head, FeaturePairs(bank, sets), SETTINGS)
    parts = hoisted(head)
    apart = find_masks(parts.rest, FeaturePairs(parts.prefix(bank), sets), replace(SETTINGS))
    assert whole.masks.sum() < 5.9
    torch.testing.assert_close(whole.masks, apart.masks, rtol=0, atol=1e-8)
