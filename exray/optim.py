"""Adam that steps some rows of its parameters and leaves all others where they are."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

_EPSILON = 1e-8  # torch's own


class RowAdam:
    """Adam with a step count for each row, so that candidates can rest and go on later.

    ``torch.optim.Adam`` moves rows without gradients on by their momentum and counts their steps.

    Args:
        parameters: Tensors whose first axis is the candidates'; changed in place.
        learning_rate: Of all of them.
        betas: Decay of the gradients' mean and of their squares' mean.

    Example:
        >>> rows = torch.zeros(3, 1)
        >>> adam = RowAdam([rows], learning_rate=0.5, betas=(0.9, 0.999))
        >>> adam.step(torch.tensor([1]), [torch.tensor([[2.0]])])
        >>> [round(value, 3) for value in rows.flatten().tolist()]
        [0.0, -0.5, 0.0]

    Source: Kingma and Ba 2015, algorithm 1.
    """

    def __init__(
        self, parameters: Sequence[Tensor], *, learning_rate: float, betas: tuple[float, float]
    ) -> None:
        self._parameters = tuple(parameters)
        self.learning_rate = learning_rate
        self._betas = betas
        self._means = [torch.zeros_like(each) for each in self._parameters]
        self._squares = [torch.zeros_like(each) for each in self._parameters]
        first = self._parameters[0]
        self.steps = torch.zeros(len(first), dtype=torch.long, device=first.device)

    @torch.no_grad()
    def step(self, rows: Int[Tensor, " rows"], gradients: Sequence[Tensor]) -> None:
        """Moves the rows against their gradients.

        Args:
            rows: Which rows.
            gradients: Of each parameter, those rows only.
        """
        self.steps[rows] += 1
        first, second = self._betas
        for place, gradient in enumerate(gradients):
            counts = self.steps[rows].view(-1, *[1] * (gradient.dim() - 1))
            mean = first * self._means[place][rows] + (1 - first) * gradient
            square = second * self._squares[place][rows] + (1 - second) * gradient.square()
            self._means[place][rows], self._squares[place][rows] = mean, square
            scale = (square / (1 - second**counts)).sqrt() + _EPSILON
            change = mean / (1 - first**counts) / scale
            self._parameters[place][rows] -= self.learning_rate * change

    def forget(self, rows: Int[Tensor, " rows"]) -> None:
        """Starts rows anew from where they are: no mean, no squares, no step done.

        Args:
            rows: Which rows.
        """
        for memory in (*self._means, *self._squares):
            memory[rows] = 0
        self.steps[rows] = 0
