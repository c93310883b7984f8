"""Masks equal those of commit 2e40c97, from before the optimisation was rewritten.

``reference_masks.npz`` holds the problem (features as ``bank``, the head's weights as ``head.*``)
and, per case of ``CASES``, the masks with the epochs that gave them and that were taken. To rebuild
it, check out 2e40c97, take this file's ``head``, ``pairs`` and ``CASES`` there (its modules were
``exray.differencing.differencer``, ``feature_pairs``, ``head_calls``, ``mask_optimization``,
``objective`` and ``released_objectives``), set ``torch.set_default_dtype(torch.float64)``, and
store ``MaskSearch(head, pairs, settings).run()`` per case; ``continued`` is the case ``default``,
run and followed by ``run_whole([0, 2])``. In float64, so that other processors agree as well.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair
from exray.judges.differencing.head_runner import HeadSettings, saved_bytes
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.mask_search import MaskSearch
from exray.judges.differencing.objectives.cross_entropy import CrossEntropyBarrier
from exray.judges.differencing.objectives.released import AccuracyMargin, SoftMargin

pytestmark = pytest.mark.usefixtures("one_thread", "float64")

STORED = Path(__file__).with_name("reference_masks.npz")
BARRIER = CrossEntropyBarrier(alpha=0.1, weight_large=100.0, weight_small=0.0, direction="both")
PAPER = MaskSettings(
    objective=BARRIER,
    learning_rate=0.05,
    epochs=160,
    patience=160,
    recheck=1,
    pairing="each_epoch",
    compute=HeadSettings(
        memory_budget_gb=1.0, precision="float32", channels_last=False, compile=False
    ),
    seed=0,
)
DEFAULT = replace(PAPER, learning_rate=0.1, patience=30, recheck=4)
MARGIN = replace(PAPER, objective=AccuracyMargin(weight=10.0), pairing="once")
CASES = {
    "paper": PAPER,
    "default": DEFAULT,
    "one_sided": replace(
        PAPER,
        objective=replace(BARRIER, direction="victim_to_target", weight_small=1.0),
        patience=40,
    ),
    "accuracy_margin": MARGIN,
    "soft_margin": replace(MARGIN, objective=SoftMargin(weight=10.0, double_after=10), patience=40),
}


@pytest.fixture
def stored():
    with np.load(STORED) as arrays:
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.fixture
def head(stored):
    layers = nn.Conv2d(10, 8, 1), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    head = nn.Sequential(*layers).requires_grad_(False)
    head.load_state_dict(
        {name.removeprefix("head."): value for name, value in stored.items() if "head." in name}
    )
    return head


@pytest.fixture
def pairs(stored):
    """Rows 0 to 19 are of class 0, the next twenty of class 1, the last of class 2."""
    sets = [
        (range(6), range(20, 26), 0, 1, True),
        (range(6, 12), range(26, 30), 0, 1, False),
        (range(40, 47), range(12, 19), 2, 0, True),
        (range(30, 33), range(47, 52), 1, 2, False),
    ]
    return FeaturePairs(
        stored["bank"],
        [
            SetPair(
                first=tuple(first),
                second=tuple(second),
                first_class=first_class,
                second_class=second_class,
                one_to_one=one_to_one,
            )
            for first, second, first_class, second_class, one_to_one in sets
        ],
    )


def assert_stored(result, stored, case):
    torch.testing.assert_close(result.masks, stored[f"{case}.masks"], rtol=0, atol=1e-5)
    assert torch.equal(result.best_epoch, stored[f"{case}.best_epoch"])
    assert torch.equal(result.epochs, stored[f"{case}.epochs"])


@pytest.mark.parametrize("case", list(CASES))
def test_masks_are_those_of_the_reference(case, stored, head, pairs):
    assert_stored(MaskSearch(head, pairs, CASES[case]).run(), stored, case)


def test_masks_of_one_pair_per_head_call_are_those_of_the_reference(stored, head, pairs):
    one_pair = 14 * saved_bytes(head, pairs.bank[:1]) / (1 << 30)
    compute = replace(DEFAULT.compute, memory_budget_gb=1.05 * one_pair)
    search = MaskSearch(head, pairs, replace(DEFAULT, compute=compute))
    assert_stored(search.run(), stored, "small_calls")


def test_continued_masks_are_those_of_the_reference(stored, head, pairs):
    search = MaskSearch(head, pairs, DEFAULT)
    assert_stored(search.run(), stored, "default")
    assert_stored(search.run_all_epochs([0, 2]), stored, "continued")
    every = 2 * sum(
        int(epochs) * pair.num_samples
        for epochs, pair in zip(search.optimization.epochs, pairs.pairs, strict=True)
    )
    assert search.optimization.passes < every  # some exchanges were skipped
