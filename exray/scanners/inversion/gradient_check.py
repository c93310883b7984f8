"""Whether a classifier lets triggers be optimised at all."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class GradientCheck:
    """Records candidates without any gradient, and those with logits that are not finite.

    Args:
        num_candidates: Of the inversion.
        device: Of its parameters.
    """

    def __init__(self, num_candidates: int, device: torch.device) -> None:
        self._has_gradient = torch.zeros(num_candidates, dtype=torch.bool, device=device)
        self._is_broken = torch.zeros_like(self._has_gradient)

    def needs_gradient(self, rows: Int[Tensor, " p"]) -> bool:
        """Whether some of these candidates have had no gradient so far."""
        return not bool(self._has_gradient[rows].all())

    def update(
        self,
        rows: Int[Tensor, " p"],
        asr: Float[Tensor, " p"],
        is_finite: Bool[Tensor, " p"],
        image_gradients: Sequence[Float[Tensor, "p m 3 h w"]],
    ) -> None:
        """Records one step.

        Args:
            rows: Indices of the candidates.
            asr: Their attack success rates.
            is_finite: Whether all their logits are finite.
            image_gradients: Gradient of the stamped images; empty if it was not needed.
        """
        self._is_broken[rows] |= ~is_finite
        for gradient in image_gradients:
            self._has_gradient[rows] |= (asr > 0) | (gradient.flatten(1) != 0).any(dim=1)

    def failure_reason(self, steps: Int[Tensor, " candidates"]) -> str:
        """Why finding no trigger would mean nothing; empty if every candidate was searched.

        Args:
            steps: Number of steps per candidate.
        """
        num_broken = int(self._is_broken.sum())
        num_without = int(((steps > 0) & ~self._has_gradient).sum())
        total = len(steps)
        if num_broken:
            return f"the classifier returned NaN or infinity in {num_broken} of {total} inversions"
        if num_without:
            return (
                f"the classifier has no gradient in {num_without} of {total} inversions: "
                "its answers are saturated, or the same for everything"
            )
        return ""
