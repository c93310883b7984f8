"""How a trigger's similarity ranks among those of masks of different class pairs."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

FEWEST_OTHERS = 3  # triggers of other class pairs under which a quantile says too little


class SimilarityRank(NamedTuple):
    """Where a trigger's similarity lies among those of its model's mismatched masks.

    ``quantile`` is the share of null values below the trigger's own, ties counting half; None with
    fewer than `FEWEST_OTHERS` triggers of other class pairs. ``null_count`` is the number of null
    values that it follows from.
    """

    quantile: float | None
    null_count: int


def similarity_ranks(
    first: Float[Tensor, "triggers c"],
    second: Float[Tensor, "triggers c"],
    class_pairs: Sequence[tuple[int, int]],
) -> list[SimilarityRank]:
    """The quantile of each trigger's similarity under a permutation null.

    The null of a trigger are the similarities of its M1 with the M2 of the model's triggers of
    other class pairs, and of its M2 with the M1 of those pairs. Masks of unrelated pairs overlap
    too, the more the larger they are; the quantile does not depend on that. A natural trigger's
    masks have more in common than mismatched ones; an injected one's do not.

    Args:
        first: Mask between victim and target samples (M1) of each trigger; the same for triggers
            of one class pair.
        second: Mask between victim samples and stamped ones (M2) of each.
        class_pairs: Victim and target class of each.

    Example:
        >>> masks = torch.eye(4)
        >>> pairs = [(0, 1), (1, 2), (2, 3), (3, 0)]
        >>> similarity_ranks(masks, masks, pairs)[0]
        SimilarityRank(quantile=1.0, null_count=6)

    Source: none; the paper compares the similarity with a threshold, section 3.2, equation (5).
    """
    if len(class_pairs) <= FEWEST_OTHERS:
        return [SimilarityRank(None, 0)] * len(class_pairs)
    shared = pairwise_similarity(first, second)
    once = {pair: index for index, pair in reversed(list(enumerate(class_pairs)))}
    ranks = []
    for index, pair in enumerate(class_pairs):
        others = [at for at, other in enumerate(class_pairs) if other != pair]
        if len(others) < FEWEST_OTHERS:
            ranks.append(SimilarityRank(None, 0))
            continue
        natural = [at for other, at in once.items() if other != pair]
        null = torch.cat([shared[index, others], shared[natural, index]])
        ranks.append(SimilarityRank(mid_rank(shared[index, index], null), len(null)))
    return ranks


def pairwise_similarity(
    first: Float[Tensor, "m c"], second: Float[Tensor, "n c"]
) -> Float[Tensor, "m n"]:
    """Sum of the smaller entries of any two masks as a share of the smaller mask.

    Args:
        first: Some masks.
        second: Others.

    Returns:
        The value of ``mask_similarity.similarity`` for every two; an empty mask is contained in
        any.

    Source: EX-RAY, section 3.2, equation (5).
    """
    common = torch.stack([torch.minimum(mask, second).sum(dim=1) for mask in first])
    smaller = torch.minimum(first.sum(dim=1)[:, None], second.sum(dim=1))
    return torch.where(smaller > 0, common / smaller, torch.ones_like(common))


def mid_rank(value: Float[Tensor, ""], null: Float[Tensor, " n"]) -> float:
    """Share of null values below a value, ties counting half.

    Args:
        value: What is ranked.
        null: What it is ranked among; not empty.

    Example:
        >>> mid_rank(torch.tensor(0.5), torch.tensor([0.25, 0.5, 0.5, 0.75]))
        0.5
    """
    below, equal = (null < value).double(), (null == value).double()
    return float((below + equal / 2).mean())
