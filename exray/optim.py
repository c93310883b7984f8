"""Adam that steps some rows of its parameters and leaves all others where they are."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

_EPSILON = 1e-8  # torch's own


class RowAdam(torch.optim.Optimizer):
    """Adam with a step count per row, so that a row may pause and continue later.

    A sparse gradient names the rows that are stepped, a dense one steps all of them.
    ``torch.optim.Adam`` moves rows without gradients by their momentum and counts their steps;
    ``torch.optim.SparseAdam`` leaves them, but has one step count for all.

    Args:
        parameters: Tensors whose first axis is the rows.
        lr: Learning rate of all of them.
        betas: Decay of the gradients' mean and of their squares' mean.

    Example:
        >>> rows = torch.nn.Parameter(torch.zeros(3, 1))
        >>> adam = RowAdam([rows], lr=0.5, betas=(0.9, 0.999))
        >>> row = torch.nn.functional.embedding(torch.tensor([1]), rows, sparse=True)
        >>> row.sum().backward()
        >>> adam.step()
        >>> [round(value, 3) for value in rows.flatten().tolist()]
        [0.0, -0.5, 0.0]

    Source: Kingma and Ba 2015, algorithm 1.
    """

    def __init__(
        self, parameters: Iterable[Tensor], *, lr: float, betas: tuple[float, float]
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas})
        for parameter, _ in self._parameters():
            self.state[parameter] = {
                "step": torch.zeros(len(parameter), dtype=torch.long, device=parameter.device),
                "mean": torch.zeros_like(parameter),
                "square": torch.zeros_like(parameter),
            }

    @property
    def steps(self) -> Int[Tensor, " rows"]:
        """Steps that each row of the first parameter has taken."""
        steps: Tensor = self.state[self.param_groups[0]["params"][0]]["step"]
        return steps

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Moves the rows that have a gradient against it.

        Args:
            closure: Computes the loss and its gradients first.

        Returns:
            The closure's loss; None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for parameter, group in self._parameters():
            gradient = parameter.grad
            if gradient is None:
                continue
            if gradient.is_sparse:
                gradient = gradient.coalesce()
                rows, gradient = gradient.indices()[0], gradient.values()
            else:
                rows = torch.arange(len(parameter), device=parameter.device)
            self._move(parameter, group, rows, gradient)
        return loss

    @torch.no_grad()
    def step_rows(self, rows: Int[Tensor, " rows"], gradients: Iterable[Tensor]) -> None:
        """Moves some rows of all parameters against gradients that are not stored in them.

        Args:
            rows: Which rows, each at most once.
            gradients: Of each parameter, those rows only.
        """
        for (parameter, group), gradient in zip(self._parameters(), gradients, strict=True):
            self._move(parameter, group, rows, gradient)

    @torch.no_grad()
    def forget(self, rows: Int[Tensor, " rows"]) -> None:
        """Starts rows anew from where they are: no mean, no squares, no steps taken.

        Args:
            rows: Which rows.
        """
        for parameter, _ in self._parameters():
            for memory in self.state[parameter].values():
                memory[rows] = 0

    def _parameters(self) -> list[tuple[Tensor, dict[str, Any]]]:
        """Every parameter with its group."""
        return [(parameter, group) for group in self.param_groups for parameter in group["params"]]

    def _move(
        self,
        parameter: Tensor,
        group: dict[str, Any],
        rows: Int[Tensor, " rows"],
        gradient: Float[Tensor, "rows ..."],
    ) -> None:
        """One step of some rows of one parameter."""
        state, (first, second) = self.state[parameter], group["betas"]
        state["step"][rows] += 1
        counts = state["step"][rows].view(-1, *[1] * (gradient.dim() - 1))
        mean = first * state["mean"][rows] + (1 - first) * gradient
        square = second * state["square"][rows] + (1 - second) * gradient.square()
        state["mean"][rows], state["square"][rows] = mean, square
        scale = (square / (1 - second**counts)).sqrt() + _EPSILON
        change = mean / (1 - first**counts) / scale
        parameter[rows] -= group["lr"] * change
