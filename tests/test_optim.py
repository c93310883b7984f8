"""Adam by rows is torch's Adam on those rows."""

import pytest
import torch

from exray.optim import RowAdam


@pytest.mark.usefixtures("float64")
def test_each_row_moves_as_under_torchs_adam():
    rows = torch.randn(2, 5)
    reference = [row.clone().requires_grad_(True) for row in rows]
    adams = [torch.optim.Adam([row], lr=0.1, betas=(0.5, 0.9)) for row in reference]
    adam = RowAdam([rows], learning_rate=0.1, betas=(0.5, 0.9))
    for chosen in ([0, 1], [1], [1], [0, 1]):  # row 0 rests twice
        gradients = torch.randn(len(chosen), 5)
        adam.step(torch.tensor(chosen), [gradients])
        for place, gradient in zip(chosen, gradients, strict=True):
            reference[place].grad = gradient
            adams[place].step()
    torch.testing.assert_close(rows, torch.stack(reference).detach())
    assert adam.steps.tolist() == [2, 4]


@pytest.mark.usefixtures("float64")
def test_a_row_that_is_forgotten_moves_as_a_fresh_one():
    gradient = torch.randn(1, 5)
    moves = []
    for earlier in (0, 3):
        rows = torch.zeros(2, 5)
        adam = RowAdam([rows], learning_rate=0.1, betas=(0.5, 0.9))
        for _ in range(earlier):
            adam.step(torch.tensor([0, 1]), [torch.full((2, 5), 1000.0)])
        adam.forget(torch.tensor([1]))
        before = rows.clone()
        adam.step(torch.tensor([0, 1]), [gradient.expand(2, 5)])
        moves.append(rows - before)
        assert adam.steps.tolist() == [earlier + 1, 1]
    torch.testing.assert_close(moves[0][1], moves[1][1])
    assert not torch.allclose(moves[0][0], moves[1][0])
