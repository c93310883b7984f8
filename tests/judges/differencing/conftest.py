"""Settings of the mask optimisation, and pairs of sets that a small head tells apart."""

import pytest
import torch
from torch import nn

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
