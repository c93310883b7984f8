"""A classifier's logits at lower cost, for searches that need no inner features."""

import torch
from jaxtyping import Float
from torch import Tensor, fx

from exray.models.classifier import Classifier
from exray.models.splitting.batchnorm_folding import fold_batch_norms
from exray.models.splitting.tracing import UntraceableError, trace

_TOLERANCE = 1e-4  # of the logits' scale; folding batch norms reorders float32 sums


class FastLogits:
    """The same logits, with gradients: batch norms folded, channels last if the network can.

    A network that torch.fx cannot trace, or whose logits change by it, is called as it is.

    Args:
        classifier: The classifier, which is not changed.
        example: A few images on which the logits are compared.
    """

    def __init__(self, classifier: Classifier, example: Float[Tensor, "n 3 h w"]) -> None:
        self._classifier = classifier
        self._layout = torch.contiguous_format
        for faster, layout in (
            (_folded(classifier, example), torch.channels_last),
            (classifier, torch.channels_last),
        ):
            if _agree(faster, classifier, example, layout):
                self._classifier, self._layout = faster, layout
                return

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n k"]:
        """Logits of the images."""
        return self._classifier(images.contiguous(memory_format=self._layout))


def _folded(classifier: Classifier, example: Float[Tensor, "n 3 h w"]) -> Classifier:
    """A classifier of a copy of the network without batch norms; the same one if there is none."""
    try:
        traced = trace(classifier.network, classifier.preprocessing(example), name=classifier.name)
    except UntraceableError:
        return classifier
    network = fold_batch_norms(fx.GraphModule(classifier.network, traced.graph))
    return classifier.around(network)


@torch.no_grad()
def _agree(
    one: Classifier,
    other: Classifier,
    images: Float[Tensor, "n 3 h w"],
    layout: torch.memory_format,
) -> bool:
    """Whether one accepts images in a memory layout and gives the other's logits, in float32."""
    one, other = one.in_precision("float32"), other.in_precision("float32")
    try:
        logits = one(images.contiguous(memory_format=layout))
    except RuntimeError:  # some networks flatten with view, which refuses channels last
        return False
    expected = other(images)
    return torch.allclose(logits, expected, atol=_TOLERANCE * (1 + float(expected.abs().max())))
