"""Adam by rows is torch's Adam on those rows."""

import pytest
import torch
from torch.nn import functional

from exray.optim import RowAdam


def row_adam(rows):
    return RowAdam([rows], lr=0.1, betas=(0.5, 0.9))


@pytest.mark.usefixtures("float64")
def test_each_row_moves_as_under_torchs_adam():
    rows = torch.randn(2, 5)
    reference = [row.clone().requires_grad_(True) for row in rows]
    adams = [torch.optim.Adam([row], lr=0.1, betas=(0.5, 0.9)) for row in reference]
    adam = row_adam(rows)
    for chosen in ([0, 1], [1], [1], [0, 1]):  # row 0 pauses twice
        gradients = torch.randn(len(chosen), 5)
        adam.step_rows(torch.tensor(chosen), [gradients])
        for place, gradient in zip(chosen, gradients, strict=True):
            reference[place].grad = gradient
            adams[place].step()
    torch.testing.assert_close(rows, torch.stack(reference).detach())
    assert adam.steps.tolist() == [2, 4]


@pytest.mark.usefixtures("float64")
def test_a_dense_gradient_moves_every_row_as_torchs_adam_does():
    rows = torch.randn(3, 5, requires_grad=True)
    reference = rows.detach().clone().requires_grad_(True)
    adams = [row_adam(rows), torch.optim.Adam([reference], lr=0.1, betas=(0.5, 0.9))]
    for _ in range(3):
        for values, adam in zip((rows, reference), adams, strict=True):
            adam.zero_grad()
            values.square().sum().backward()
            adam.step()
    torch.testing.assert_close(rows, reference)


@pytest.mark.usefixtures("float64")
def test_a_sparse_gradient_moves_the_rows_it_names_alone():
    rows = torch.randn(4, 5, requires_grad=True)
    other = rows.detach().clone()
    before, adam = rows.detach().clone(), row_adam(rows)
    for chosen in ([2], [0]):  # two backward passes, one step
        part = functional.embedding(torch.tensor(chosen), rows, sparse=True)
        part.square().sum().backward()
    assert rows.grad.is_sparse
    adam.step()
    row_adam(other).step_rows(torch.tensor([0, 2]), [2 * before[[0, 2]]])
    torch.testing.assert_close(rows.detach(), other)
    assert torch.equal(rows[[1, 3]], before[[1, 3]])
    assert adam.steps.tolist() == [1, 0, 1, 0]


def test_a_closure_computes_the_gradients_of_the_step():
    rows = torch.ones(2, 1, requires_grad=True)
    adam = row_adam(rows)

    def closure():
        loss = rows.square().sum()
        loss.backward()
        return float(loss.detach())

    assert adam.step(closure) == 2.0
    assert adam.steps.tolist() == [1, 1]


def test_a_parameter_without_a_gradient_stays():
    rows = torch.ones(2, 1, requires_grad=True)
    adam = row_adam(rows)
    assert adam.step() is None
    assert adam.steps.tolist() == [0, 0]


@pytest.mark.usefixtures("float64")
def test_a_row_that_is_forgotten_moves_as_a_fresh_one():
    gradient = torch.randn(1, 5)
    moves = []
    for earlier in (0, 3):
        rows = torch.zeros(2, 5)
        adam = row_adam(rows)
        for _ in range(earlier):
            adam.step_rows(torch.tensor([0, 1]), [torch.full((2, 5), 1000.0)])
        adam.forget(torch.tensor([1]))
        before = rows.clone()
        adam.step_rows(torch.tensor([0, 1]), [gradient.expand(2, 5)])
        moves.append(rows - before)
        assert adam.steps.tolist() == [earlier + 1, 1]
    torch.testing.assert_close(moves[0][1], moves[1][1])
    assert not torch.allclose(moves[0][0], moves[1][0])
