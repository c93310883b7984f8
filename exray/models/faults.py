"""What is wrong with a network that loads and runs, seen on clean images."""

from jaxtyping import Float
from torch import Tensor

from exray.models.classifier import Classifier
from exray.models.outputs import saturated_rows

_EXAMPLES = 8  # images that are run twice
_RANDOM = 1e-4  # of the logits' spread; a GPU's sums differ by less
_CONSTANT = 1e-6  # of the largest logit
_SATURATED = 0.5  # of the clean images


def network_fault(
    classifier: Classifier, images: Float[Tensor, "n c h w"], logits: Float[Tensor, "n k"]
) -> str:
    """Why triggers of a network would mean nothing, whatever is found; empty if nothing is wrong.

    Args:
        classifier: As it was loaded; a few of the images are run again.
        images: Clean ones, of several classes.
        logits: The classifier's on these images.
    """
    num_broken = int((~logits.isfinite()).any(dim=1).sum())
    if num_broken:
        return (
            f"the network returns NaN or infinity on {num_broken} of {len(logits)} clean images; "
            "check its weights and that mean, std and scaling are those it was trained with"
        )
    if _is_random(classifier, images[:: max(1, len(images) // _EXAMPLES)][:_EXAMPLES]):
        return "the network is random in eval mode: the same images give other logits each time"
    if _spread(logits) <= _CONSTANT * float(logits.abs().max()):
        return "the network is constant: all clean images have the same logits"
    num_saturated = int(saturated_rows(classifier.network, logits).sum())
    if num_saturated > _SATURATED * len(logits):
        return (
            f"the network's probabilities are all 0 or 1 on {num_saturated} of {len(logits)} clean "
            "images, so its logits are lost; give a network that returns logits"
        )
    return ""


def _is_random(classifier: Classifier, images: Float[Tensor, "n c h w"]) -> bool:
    """Whether one batch gives different logits when it is run twice."""
    first, second = (classifier.predict(images) for _ in range(2))
    return float((first - second).abs().max()) > _RANDOM * _spread(first)


def _spread(logits: Float[Tensor, "n k"]) -> float:
    """The largest difference that another image makes to a logit."""
    return float((logits.amax(dim=0) - logits.amin(dim=0)).max()) if len(logits) else 0.0
