"""The smallest feasible mask of every pair so far."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class SmallestMasks:
    """Keeps of every pair the smallest mask that was feasible; all ones until there is one.

    Args:
        logits: Any tensor of the masks' shape, dtype and device.

    Source: none; the paper does not say which of the epochs' masks is the result.
    """

    def __init__(self, logits: Float[Tensor, "pairs c"]) -> None:
        self.masks = torch.ones_like(logits)
        self.sums = logits.new_full((len(logits),), torch.inf)
        self.epochs = torch.full((len(logits),), -1, device=logits.device)

    @property
    def feasible(self) -> Bool[Tensor, " pairs"]:
        """Which pairs have had a feasible mask."""
        return torch.isfinite(self.sums)

    def update(
        self,
        rows: Int[Tensor, " rows"],
        masks: Float[Tensor, "rows c"],
        *,
        feasible: Bool[Tensor, " rows"],
        epochs: Int[Tensor, " rows"],
    ) -> Bool[Tensor, " rows"]:
        """Keeps the masks that are feasible and smaller than what there is.

        Args:
            rows: Which pairs the masks are of.
            masks: Their current masks.
            feasible: Which of them are feasible.
            epochs: Each pair's epoch that gave its mask.

        Returns:
            Which masks were kept.
        """
        sums = masks.sum(dim=1)
        smaller = feasible & (sums < self.sums[rows])
        self.masks[rows] = torch.where(smaller[:, None], masks, self.masks[rows])
        self.sums[rows] = torch.where(smaller, sums, self.sums[rows])
        self.epochs[rows] = torch.where(smaller, epochs, self.epochs[rows])
        return smaller
