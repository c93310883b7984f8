"""The temperature that gives all classifiers one scale of logits."""

import math
import operator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, fx, nn

CLEAN_MARGIN = 8.0  # tempered margin of the median clean image


def margins(logits: Float[Tensor, "n k"], classes: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """By how much the logit of a class exceeds the highest other one; below 0 if it is lower.

    Args:
        logits: Of at least two classes.
        classes: A class for each row.

    Example:
        >>> margins(torch.tensor([[3.0, 1.0, 0.0], [3.0, 1.0, 0.0]]), torch.tensor([0, 2]))
        tensor([ 2., -3.])
    """
    own = logits.gather(1, classes[:, None])[:, 0]
    others = logits.scatter(1, classes[:, None], -torch.inf)
    return own - others.amax(dim=1)


def fitted_temperature(
    logits: Float[Tensor, "n k"], labels: Int[Tensor, " n"], is_right: Bool[Tensor, " n"]
) -> float:
    """The temperature at which the median clean image has a margin of ``CLEAN_MARGIN``.

    Scanners and judges compare losses, probabilities and margins with constants. Multiplying a
    network's last layer changes all of these and no prediction; divided by this temperature, the
    logits are the same again.

    Args:
        logits: Of clean images.
        labels: Their classes.
        is_right: Which images are classified right; the others do not count.

    Returns:
        The temperature; 0 where the median margin is 0, NaN or infinite where that is so or no
        image is classified right. None of these is usable.

    Example:
        >>> logits = torch.tensor([[4.0, 0.0], [5.0, 1.0], [0.0, 9.0]])
        >>> labels = torch.tensor([0, 0, 0])
        >>> fitted_temperature(logits, labels, logits.argmax(dim=1) == labels)
        0.5
    """
    clean = margins(logits.double(), labels)[is_right]
    return float(clean.median()) / CLEAN_MARGIN if len(clean) else math.nan


def is_usable(temperature: float) -> bool:
    """Whether logits can be divided by a temperature.

    Args:
        temperature: As :func:`fitted_temperature` gives it.
    """
    return math.isfinite(temperature) and temperature > 0


class _Tempered(nn.Module):
    """A network whose logits are divided by a temperature."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, features: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
        logits: Tensor = self.network(features)
        return logits / self.temperature


def tempered(head: nn.Module, temperature: float) -> nn.Module:
    """A network's last part with its logits divided by a temperature.

    Args:
        head: Returns logits. A traced one becomes a traced one of the same modules.
        temperature: Above 0; 1 leaves the head as it is.

    Example:
        >>> tempered(nn.Identity(), 2.0)(torch.tensor([[3.0, 1.0]]))
        tensor([[1.5000, 0.5000]])
    """
    if temperature == 1:
        return head
    if not isinstance(head, fx.GraphModule):
        return _Tempered(head, temperature).eval()
    graph = fx.Graph()
    logits = graph.graph_copy(head.graph, {})
    assert isinstance(logits, fx.Node)
    graph.output(graph.call_function(operator.truediv, (logits, temperature)))
    return fx.GraphModule(head, graph).eval()
