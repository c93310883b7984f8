"""The smallest feasible mask of every pair."""

import torch

from exray.judges.differencing.smallest_masks import SmallestMasks


def test_the_smallest_mask_that_was_feasible_is_kept_with_its_epoch():
    smallest = SmallestMasks(torch.zeros(2, 2))
    assert smallest.masks.tolist() == [[1, 1], [1, 1]]
    assert smallest.feasible.tolist() == [False, False]
    rows = torch.tensor([1])
    steps = [(0.5, True, True), (0.2, False, False), (0.6, True, False), (0.4, True, True)]
    for epoch, (value, feasible, is_improved) in enumerate(steps):
        improved = smallest.update(
            rows,
            torch.full((1, 2), value),
            feasible=torch.tensor([feasible]),
            epochs=torch.tensor([epoch]),
        )
        assert improved.tolist() == [is_improved]
    assert smallest.feasible.tolist() == [False, True]
    assert smallest.epochs.tolist() == [-1, 3]
    torch.testing.assert_close(smallest.masks[1], torch.full((2,), 0.4))
