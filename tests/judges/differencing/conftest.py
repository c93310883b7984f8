"""Settings of the mask optimisation, and pairs of sets that small heads tell apart."""

import pytest
import torch
from torch import nn

from exray.judges.differencing.exchange_quality import exchange_quality
from exray.judges.differencing.feature_pairs import SetPair
from exray.judges.differencing.head_runner import HeadSettings
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.objectives.cross_entropy import CrossEntropyBarrier


@pytest.fixture
def mask_settings():
    return MaskSettings(
        objective=CrossEntropyBarrier(
            alpha=0.1, weight_large=100.0, weight_small=0.0, direction="both"
        ),
        learning_rate=0.05,
        epochs=150,
        patience=150,
        recheck=1,
        pairing="each_epoch",
        compute=HeadSettings(
            memory_budget_gb=1.0, precision="float32", channels_last=False, compile=False
        ),
        seed=0,
    )


@pytest.fixture
def random_pairs():
    """Makes pairs of sets whose classes the head tells apart, so that full masks are feasible."""

    def make(num_pairs, num_samples):
        head = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3)).requires_grad_(False)
        features = 3 * torch.randn(400, 6)
        labels = head(features).argmax(dim=1)
        rows = [(labels == k).nonzero().flatten().tolist() for k in range(3)]
        sets = []
        for index in range(num_pairs):
            victim, target = index % 3, (index + 1 + index // 3 % 2) % 3
            first, second = (
                rows[k][index * num_samples : (index + 1) * num_samples] for k in (victim, target)
            )
            sets.append(
                SetPair(
                    first=tuple(first),
                    second=tuple(second),
                    first_class=victim,
                    second_class=target,
                    one_to_one=True,
                )
            )
        return head, features, sets

    return make


@pytest.fixture
def pair():
    """Makes a pair of sets."""

    def make(first, second, classes=(0, 1), one_to_one=True):
        return SetPair(
            first=tuple(first),
            second=tuple(second),
            first_class=classes[0],
            second_class=classes[1],
            one_to_one=one_to_one,
        )

    return make


@pytest.fixture
def two_channel_head():
    """Makes a head that reads channels 1 and 3 alone: class 1 where both are at 1, else class 0."""

    def make():
        head = nn.Linear(5, 2).requires_grad_(False)
        head.weight.zero_()
        head.weight[1, [1, 3]] = 50.0
        head.bias.copy_(torch.tensor([0.0, -50.0 * 1.9]))
        return head

    return make


@pytest.fixture
def known_features():
    """Makes rows 0 to 3 of class 0, rows 4 to 9 of class 1; channels 0, 2, 4 are of no matter."""

    def make():
        features = torch.rand(10, 5)
        features[:4, [1, 3]] = 0.0
        features[4:, [1, 3]] = 1.0
        return features

    return make


@pytest.fixture
def accuracies(mask_settings):
    """Measures how often masks exchange the classes."""

    def measure(head, pairs, masks, seed=0):
        compute = mask_settings.compute
        return exchange_quality(head, pairs, masks, compute=compute, seed=seed).accuracy

    return measure
