"""When pairs are stopped, and that a stopped pair continues as if it had not been."""

from dataclasses import replace

import pytest
import torch

from exray.judges.differencing.early_stopping import PairEarlyStopping
from exray.judges.differencing.feature_pairs import FeaturePairs
from exray.judges.differencing.mask_optimization import MaskOptimization
from exray.judges.differencing.mask_search import MaskSearch, find_masks

pytestmark = pytest.mark.usefixtures("one_thread")


def epoch(optimization, sums):
    """Counts an epoch of all active pairs, after which the smallest masks have these sums."""
    rows = torch.tensor(optimization.active_pairs)
    optimization.smallest.sums = torch.tensor(sums)
    optimization.optimizer.step_rows(rows, [torch.zeros(len(rows), 6)])


def test_a_pair_is_stopped_after_as_many_epochs_without_progress_as_patience_says(
    random_pairs, mask_settings
):
    head, features, sets = random_pairs(num_pairs=2, num_samples=4)
    settings = replace(mask_settings, epochs=20, patience=3)
    optimization = MaskOptimization(head, FeaturePairs(features, sets), settings)
    stopping = PairEarlyStopping(optimization)
    active = []
    for second in (5.0, 4.0, 3.0, 2.0, 1.999, 1.998, 1.997):  # less than 1 % at last
        epoch(optimization, [5.0, second])
        stopping.update(optimization)
        active.append(optimization.active_pairs)
    assert active == [[0, 1]] * 3 + [[1]] * 3 + [[]]


def test_no_pair_takes_more_than_all_epochs(random_pairs, mask_settings):
    head, features, sets = random_pairs(num_pairs=1, num_samples=4)
    settings = replace(mask_settings, epochs=2, patience=2)
    optimization = MaskOptimization(head, FeaturePairs(features, sets), settings)
    stopping = PairEarlyStopping(optimization)
    remaining = []
    for total in (5.0, 4.0):
        epoch(optimization, [total])
        remaining.append(stopping.update(optimization))
    assert remaining == [True, False]


def test_early_stopping_costs_little_of_the_masks(random_pairs, mask_settings):
    head, features, sets = random_pairs(num_pairs=3, num_samples=4)
    pairs = FeaturePairs(features, sets)
    settings = replace(mask_settings, epochs=400, patience=400)
    full = find_masks(head, pairs, settings)
    early = find_masks(head, pairs, replace(settings, patience=60))
    assert (early.best_epoch <= full.best_epoch).all()
    assert (early.best_epoch < 399).all()
    torch.testing.assert_close(early.masks.sum(dim=1), full.masks.sum(dim=1), rtol=0.05, atol=0.05)


@pytest.mark.usefixtures("float64")
def test_a_pair_that_was_stopped_and_continued_ends_as_if_it_had_not_been(
    random_pairs, mask_settings
):
    head, features, sets = random_pairs(num_pairs=3, num_samples=4)
    pairs = FeaturePairs(features, sets)
    settings = replace(mask_settings, epochs=150, patience=150)
    full = find_masks(head, pairs, settings)
    search = MaskSearch(head, pairs, replace(settings, patience=10))
    early = search.run()
    assert (early.epochs < 150).all()
    late = search.run_all_epochs([0, 2])
    assert late.epochs.tolist() == [150, int(early.epochs[1]), 150]
    for place, same in ((0, full), (1, early), (2, full)):
        torch.testing.assert_close(late.masks[place], same.masks[place], rtol=0, atol=1e-9)
        assert late.best_epoch[place] == same.best_epoch[place]
    again = search.run_all_epochs([0, 2])
    assert torch.equal(again.masks, late.masks)
