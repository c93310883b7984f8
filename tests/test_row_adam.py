"""Adam by rows is torch's Adam on those rows."""

import pytest
import torch

from exray.row_adam import RowAdam


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
