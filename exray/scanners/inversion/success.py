"""Attack success rate and logit lead from a classifier's logits on stamped images."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def success(
    logits: Float[Tensor, "p m k"], targets: Int[Tensor, " p"]
) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"]]:
    """Share of images classified as the target, and the target's mean probability.

    Logits that hold NaN or infinity count neither as a hit nor with any probability.

    Example:
        >>> logits = torch.tensor([[[0.0, 9.0], [0.0, 9.0], [9.0, 0.0], [torch.nan, torch.nan]]])
        >>> success(logits, torch.tensor([1]))[0]
        tensor([0.5000])
        >>> success(logits[:, 3:], torch.tensor([0]))
        (tensor([0.]), tensor([0.]))
    """
    finite = logits.isfinite().all(dim=2)
    hits: Bool[Tensor, "p m"] = (logits.argmax(dim=2) == targets[:, None]) & finite
    where = targets.view(-1, 1, 1).expand(*logits.shape[:2], 1)
    probability = logits.softmax(dim=2).gather(2, where)[..., 0]
    probability = torch.where(finite, probability, 0)
    return hits.to(logits.dtype).mean(dim=1), probability.mean(dim=1)


def lead_of(logits: Float[Tensor, "p m k"], targets: Int[Tensor, " p"]) -> Float[Tensor, "p m"]:
    """The target's logit minus the highest other one.

    Example:
        >>> lead_of(torch.tensor([[[1.0, 3.0, 2.0]]]), torch.tensor([1]))
        tensor([[1.]])
    """
    where = targets.view(-1, 1, 1).expand(*logits.shape[:2], 1)
    others = logits.scatter(2, where, -torch.inf).amax(dim=2)
    return logits.gather(2, where)[..., 0] - others
