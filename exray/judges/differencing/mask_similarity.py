"""How much two masks have in common: the left side of equation (5)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """The common part of two masks.

    Args:
        of_first: Intersection as a share of the first mask's sum (I1).
        of_second: Intersection as a share of the second's (I2).
        first_sum: The first mask's sum, in channels.
        second_sum: The second's.
    """

    of_first: float
    of_second: float
    first_sum: float
    second_sum: float

    @property
    def value(self) -> float:
        """Intersection as a share of the smaller mask: the left side of (5) over the right."""
        return max(self.of_first, self.of_second)


def similarity(first: Float[Tensor, " c"], second: Float[Tensor, " c"]) -> Similarity:
    """Sum of the smaller entries of two masks, as a share of each mask's own sum.

    Args:
        first: Mask between victim and target samples (M1).
        second: Mask between victim samples and stamped ones (M2).

    Returns:
        Both shares and both sums. An empty mask is contained in any: its share is 1.

    Example:
        >>> shared = similarity(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0]))
        >>> shared.of_first, shared.of_second, shared.value
        (0.5, 1.0, 1.0)

    Source: EX-RAY, section 3.2, equation (5).
    """
    common = float(torch.minimum(first, second).sum())
    sums = float(first.sum()), float(second.sum())
    shares = [common / total if total > 0 else 1.0 for total in sums]
    return Similarity(
        of_first=shares[0], of_second=shares[1], first_sum=sums[0], second_sum=sums[1]
    )


def hard_similarity(
    first: Float[Tensor, " c"], second: Float[Tensor, " c"], *, bar: float
) -> tuple[float, float]:
    """Channels in both masks, as a share of each mask's own, once masks are rounded to 0 or 1.

    Args:
        first: Mask between victim and target samples (M1).
        second: Mask between victim samples and stamped ones (M2).
        bar: Entry above which a channel is in a mask.

    Returns:
        The shares of the first and of the second; an empty mask is contained in any.

    Example:
        >>> hard_similarity(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.5]), bar=0.9)
        (0.5, 1.0)

    Source: the released round 2 rule (facts, section 1.7).
    """
    channels = first > bar, second > bar
    common = float((channels[0] & channels[1]).sum())
    shares = [common / float(mask.sum()) if mask.any() else 1.0 for mask in channels]
    return shares[0], shares[1]
