"""The pure maths of mask optimisation: exchange, barrier weights and margins."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def exchange(
    own: Float[Tensor, "n c ..."], other: Float[Tensor, "n c ..."], mask: Float[Tensor, "n c"]
) -> Float[Tensor, "n c ..."]:
    r"""Samples' own features with the masked channels of others copied in.

    With ``g`` the features, the result is ``g(x_1) * (1 - M) + g(x_2) * M``: at mask 0 nothing
    changes, at mask 1 the sample's features are the other's.

    Args:
        own: Features that are changed.
        other: Features that are copied from, sample for sample.
        mask: Share of each channel that is copied, in [0, 1].

    Example:
        >>> one, two = torch.zeros(1, 2), torch.ones(1, 2)
        >>> exchange(one, two, torch.tensor([[1.0, 0.0]]))
        tensor([[1., 0.]])

    Source: EX-RAY, section 3.1, equations (1) and (2).
    """
    share = mask.view(*mask.shape, *[1] * (own.dim() - 2))
    return torch.lerp(own, other, share)


def barrier_weights(
    cross_entropy: Float[Tensor, " n"], *, alpha: float, large: float, small: float
) -> Float[Tensor, " n"]:
    r"""Weight of each constraint's cross-entropy: large while it is violated, small once satisfied.

    The barrier of the mask optimisation. While a sample's cross-entropy exceeds ``alpha`` the
    constraint dominates the loss; below it, the mask's size does.

    Args:
        cross_entropy: Per-sample loss of one side's constraint, in nats. Not differentiated.
        alpha: The bar under which a constraint counts as satisfied, in nats.
        large: Weight of a violated constraint.
        small: Weight of a satisfied one; 0 leaves the mask's size alone in the loss.

    Raises:
        ValueError: If ``large`` does not exceed ``small``.

    Example:
        >>> barrier_weights(torch.tensor([0.05, 0.3]), alpha=0.1, large=100.0, small=1.0)
        tensor([  1., 100.])

    Source: EX-RAY, section 3.1, equation (4). *Differs from the paper:* which leaves
    ``large`` and ``small`` open.
    """
    if large <= small:
        raise ValueError(f"large must exceed small, which is {small}; got {large}")
    return torch.where(cross_entropy > alpha, large, small).to(cross_entropy.dtype)


def logit_margin(
    logits: Float[Tensor, "n k"], to_class: Int[Tensor, " n"], from_class: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """How far the logit of the class after the exchange exceeds that of the class before it.

    Args:
        logits: One per class.
        to_class: Class that the exchange should lead to.
        from_class: The sample's class before the exchange.

    Example:
        >>> logit_margin(torch.tensor([[1.0, 4.0]]), torch.tensor([1]), torch.tensor([0]))
        tensor([3.])

    Source: the released code of rounds 2 and 3 (facts, section 1.2).
    """
    return logits.gather(1, to_class[:, None])[:, 0] - logits.gather(1, from_class[:, None])[:, 0]
