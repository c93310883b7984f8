"""What an epoch reports, against means by hand over parts of different size."""

import math

import pytest
import torch

from exray.judges.differencing.evaluation import Evaluation, epoch_metrics
from exray.judges.differencing.feature_pairs import Exchanges


def evaluated(masks, feasible, sides, chances):
    """An evaluation whose exchanges take the class that they should with these probabilities."""
    side = torch.tensor(sides)
    zero = torch.zeros_like(side)
    exchanges = Exchanges(
        own=zero, other=zero, pair=zero, side=side, to_class=zero, from_class=zero + 1
    )
    right = torch.tensor(chances)
    return Evaluation(
        rows=torch.arange(len(masks)),
        masks=torch.tensor(masks),
        feasible=torch.tensor(feasible),
        exchanges=exchanges,
        logits=torch.stack([right.log(), (1 - right).log()], dim=1),
    )


def test_an_epochs_means_are_over_all_pairs_and_exchanges_of_all_parts():
    metrics = epoch_metrics(
        [
            evaluated([[1.0, 1.0], [0.5, 0.0]], [True, False], [0, 1, 0, 1], [0.5, 0.25, 0.5, 0.5]),
            evaluated([[0.0, 0.25]], [False], [0, 1], [0.125, 0.5]),
        ]
    )
    bits = {name: float(value) / math.log(2) for name, value in metrics.items()}
    assert bits["cross_entropy_first_to_second"] == pytest.approx((1 + 1 + 3) / 3)
    assert bits["cross_entropy_second_to_first"] == pytest.approx((2 + 1 + 1) / 3)
    assert float(metrics["mask_sum"]) == pytest.approx((2 + 0.5 + 0.25) / 3)
    assert float(metrics["feasible"]) == pytest.approx(1 / 3)
    assert float(metrics["active_pairs"]) == 3
