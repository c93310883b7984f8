"""The pure maths of mask optimisation: exchange, barrier weights and loss."""

import torch
from jaxtyping import Float
from torch import Tensor


def exchange(
    first: Float[Tensor, "pairs n ..."],
    second: Float[Tensor, "pairs n ..."],
    mask: Float[Tensor, "pairs c"],
) -> tuple[Float[Tensor, "pairs n ..."], Float[Tensor, "pairs n ..."]]:
    r"""Both feature sets with the masked channels of the other copied in.

    With ``g`` the features, the results are ``g(x_1) * (1 - M) + g(x_2) * M`` and
    ``g(x_2) * (1 - M) + g(x_1) * M``: at mask 0 nothing changes, at mask 1 the sets are exchanged.

    Args:
        first: Features of the first class's samples, channels third.
        second: Features of the samples they are paired with.
        mask: Share of each channel that is copied, in [0, 1].

    Returns:
        The first set with the second's features copied in, and the reverse.

    Example:
        >>> one, two = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
        >>> exchange(one, two, torch.tensor([[1.0, 0.0]]))
        (tensor([[[1., 0.]]]), tensor([[[0., 1.]]]))

    Source: EX-RAY, section 3.1, equations (1) and (2).
    """
    share = mask.view(mask.shape[0], 1, -1, *[1] * (first.dim() - 3))
    difference = (second - first) * share
    return first + difference, second - difference


def barrier_weights(
    cross_entropy: Float[Tensor, "*sides pairs n"], *, alpha: float, large: float, small: float
) -> Float[Tensor, "*sides pairs n"]:
    r"""Weight of each constraint's cross-entropy: large while it is violated, small once it holds.

    The barrier of the mask optimisation. While a sample's cross-entropy exceeds ``alpha`` the
    constraint dominates the loss; below it, the mask's size does.

    Args:
        cross_entropy: Per-sample loss of one side's constraint, in nats. Not differentiated.
        alpha: The bar under which a constraint counts as met, in nats.
        large: Weight of a violated constraint.
        small: Weight of a satisfied one; 0 leaves the mask's size alone in the loss.

    Raises:
        ValueError: If ``large`` does not exceed ``small``.

    Example:
        >>> barrier_weights(torch.tensor([[0.05, 0.3]]), alpha=0.1, large=100.0, small=1.0)
        tensor([[  1., 100.]])

    Source: EX-RAY, section 3.1, equation (4). *Differs from the paper:* which leaves
    ``large`` and ``small`` open.
    """
    if large <= small:
        raise ValueError(f"large must exceed small, which is {small}; got {large}")
    return torch.where(cross_entropy > alpha, large, small)


def mask_loss(
    mask: Float[Tensor, "pairs c"],
    into_first: Float[Tensor, "pairs n"],
    into_second: Float[Tensor, "pairs n"],
    weights: tuple[Float[Tensor, "pairs n"], Float[Tensor, "pairs n"]],
) -> Float[Tensor, " pairs"]:
    """Loss of each pair of sets: the mask's sum and both weighted constraints.

    Args:
        mask: Share of each channel that is copied.
        into_first: Cross-entropy of the first set with the second's features, in nats.
        into_second: Cross-entropy of the reverse.
        weights: Barrier weights of the two.

    Source: EX-RAY, section 3.1, equation (4). *Differs from the paper:* the sum over the sample
    pairs is divided by their number, which changes no minimum and keeps one learning rate right
    for any number of samples.
    """
    barrier = weights[0] * into_first + weights[1] * into_second
    return mask.sum(dim=1) + barrier.mean(dim=1)
