"""ABS's objective: the target's lead over the other classes, within a bound on the size."""

import torch
from jaxtyping import Float
from torch import Tensor

from exray.scanners.parts import Objective, View

_LOGIT_WEIGHT = 20.0  # of the mean logit lead, against 1 for the mask's sum


class BoundedLead(Objective):
    """Maximises the logit lead; penalises a patch only while it exceeds its bound.

    Args:
        max_pixels: The bound, in pixels.
        neuron_weight: Weight of the stimulated channel's mean activation.

    Source: ABS, TrojAI rounds 2 to 4 (facts, section 2.2): ``100 * target logit`` with penalties
    from the bound and from 1.2 times it. *Differs from the released code:* the lead over the best
    other class, and the best state within the bound is kept.
    """

    def __init__(self, *, max_pixels: float, neuron_weight: float) -> None:
        self._max_pixels = max_pixels
        self._neuron_weight = neuron_weight

    def loss(self, view: View) -> Float[Tensor, " p"]:
        """Weighted lead and activation, negative, plus the size beyond the bound."""
        counted = view.stamped.counted
        penalty = (counted > self._max_pixels).float() + (counted > 1.2 * self._max_pixels).float()
        gain = _LOGIT_WEIGHT * view.lead.mean(dim=1)
        if self._neuron_weight != 0:  # its way back through the features is not free
            gain = gain + self._neuron_weight * view.activation
        return penalty * view.stamped.size - gain

    def score(
        self, view: View, asr: Float[Tensor, " p"], probability: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """ASR plus probability, in [0, 2]: one more flip outweighs any gain in probability."""
        return torch.where(view.stamped.measure <= self._max_pixels, asr + probability, -torch.inf)

    def after_step(self, view: View, asr: Float[Tensor, " p"]) -> None:
        """Nothing: the weights are fixed."""
