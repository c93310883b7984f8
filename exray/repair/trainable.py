"""A copy of a classifier's network whose weights can be learned."""

import copy

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from exray.models.classifier import Classifier

_PROBE_IMAGES = 4  # on which gradients are looked for
_WAY_OUT = (
    "give its weights as a state dict, with the architecture or a factory that builds the network"
)


def trainable_copy(
    classifier: Classifier, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
) -> nn.Module:
    """A copy of the network with weights that require gradients, in eval mode.

    Args:
        classifier: Stays as it is.
        images: At least one, on which it is seen that gradients reach the weights.
        labels: Theirs.

    Raises:
        ValueError: If the network is in a form for evaluation alone: it has no floating-point
            parameters, cannot be copied, or gives its parameters no gradient.
    """
    weights = [one for one in classifier.network.parameters() if one.is_floating_point()]
    if isinstance(classifier.network, torch.jit.ScriptModule) or not weights:
        raise ValueError(
            f"{classifier.name} has no weights that can be learned: it is in a form for "
            f"evaluation only; {_WAY_OUT}"
        )
    try:
        network = copy.deepcopy(classifier.network).eval()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ValueError(f"{classifier.name} cannot be copied ({error}); {_WAY_OUT}") from error
    for weight in network.parameters():
        weight.requires_grad_(weight.is_floating_point())
    probe = classifier.preprocessing(images[:_PROBE_IMAGES])
    if not _has_gradient(network, probe, labels[:_PROBE_IMAGES]):
        raise ValueError(
            f"no gradient reaches the weights of {classifier.name}: it detaches or rounds on the "
            f"way, so that nothing can be learned; {_WAY_OUT}"
        )
    return network


def _has_gradient(
    network: nn.Module, inputs: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
) -> bool:
    """Whether the loss gives some weight a gradient other than 0; leaves no gradient behind."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    with torch.enable_grad():
        loss = F.cross_entropy(network(inputs), labels)
        if not loss.requires_grad:
            return False
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    return any(one is not None and bool((one != 0).any()) for one in gradients)
