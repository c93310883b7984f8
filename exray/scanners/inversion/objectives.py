"""Objectives of inversions: bounded patches and filters (ABS), or masks of a dynamic cost."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from exray.scanners.inversion.interfaces import InversionObjective, View
from exray.scanners.validation import require_fraction

_LOGIT_WEIGHT = 20.0  # of the mean logit lead, against 1 for the mask's sum
_SSIM_MARGIN = 0.01  # by which the first images must exceed the bound, for the mean of all to do so
_SSIM_PENALTY = 1000.0  # per unit of SSIM below the bound, against 1 for the logit lead


class BoundedLead(InversionObjective):
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
        """Negative weighted lead and activation, plus a penalty on a size beyond the bound."""
        counted = view.stamped.counted
        penalty = (counted > self._max_pixels).float() + (counted > 1.2 * self._max_pixels).float()
        gain = _LOGIT_WEIGHT * view.lead.mean(dim=1)
        if self._neuron_weight != 0:  # its backward pass through the features is not free
            gain = gain + self._neuron_weight * view.activation
        return penalty * view.stamped.size - gain

    def score(
        self, view: View, asr: Float[Tensor, " p"], probability: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """ASR plus probability, in [0, 2]: one more flip outweighs any gain in probability."""
        return torch.where(view.stamped.measure <= self._max_pixels, asr + probability, -torch.inf)

    def after_step(self, view: View, asr: Float[Tensor, " p"]) -> None:
        """Does nothing: the weights are fixed."""


@dataclass(frozen=True, kw_only=True)
class CostSettings:
    """How the weight of the mask's size follows the ASR.

    Args:
        asr_bar: ASR from which a step is a success, a fraction.
        first_cost: Weight after the first series of successes; before it, 0.
        first_patience: Number of consecutive successes after which it is used.
        patience: Number of consecutive successes or failures after which the weight changes.
        up: Factor after successes.
        down: Divisor after failures.

    Raises:
        ValueError: If the threshold is no fraction or a factor does not exceed 1.
    """

    asr_bar: float
    first_cost: float
    first_patience: int
    patience: int
    up: float
    down: float

    def __post_init__(self) -> None:
        require_fraction("asr_bar", self.asr_bar)
        for name in ("up", "down"):
            value = getattr(self, name)
            if isinstance(value, str) or not value > 1:
                raise ValueError(f"{name} must exceed 1; got {value!r}")


class DynamicCost(InversionObjective):
    """Cross-entropy to the target plus a weight per candidate times its mask's sum.

    Args:
        settings: How the weights change.
        num_candidates: Number of weights.
        device: Their device.

    Source: Neural Cleanse, section IV-B and its released schedule (facts, section 3).
    """

    def __init__(
        self, settings: CostSettings, *, num_candidates: int, device: torch.device
    ) -> None:
        self._settings = settings
        self.costs = torch.zeros(num_candidates, device=device)
        self._streaks = torch.zeros(num_candidates, dtype=torch.long, device=device)

    def loss(self, view: View) -> Float[Tensor, " p"]:
        """Mean cross-entropy plus weighted size."""
        labels = view.targets[:, None].expand(view.logits.shape[:2])
        entropy = F.cross_entropy(view.logits.transpose(1, 2), labels, reduction="none")
        return entropy.mean(dim=1) + self.costs[view.rows] * view.stamped.size

    def score(
        self, view: View, asr: Float[Tensor, " p"], probability: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """Minus the mask's sum where the ASR meets its threshold, else -inf."""
        del probability
        return torch.where(asr >= self._settings.asr_bar, -view.stamped.size, -torch.inf)

    def after_step(self, view: View, asr: Float[Tensor, " p"]) -> None:
        """Raises the weights of candidates that keep succeeding, lowers those that keep failing."""
        rows, settings = view.rows, self._settings
        costs, streaks = self.costs[rows], self._streaks[rows]
        good = asr >= settings.asr_bar
        streaks = torch.where(good, streaks.clamp(min=0) + 1, streaks.clamp(max=0) - 1)
        patience = torch.where(costs == 0, settings.first_patience, settings.patience)
        raised = torch.where(costs == 0, settings.first_cost, costs * settings.up)
        costs = torch.where(streaks >= patience, raised, costs)
        costs = torch.where(streaks <= -patience, costs / settings.down, costs)
        self.costs[rows] = costs
        self._streaks[rows] = torch.where(streaks.abs() >= patience, 0, streaks)


class BoundedChange(InversionObjective):
    """Maximises the logit lead; penalises a filter only while its SSIM is below the bound.

    Args:
        min_ssim: The bound.

    Source: ABS and EX-RAY's code (facts, sections 2.1, 2.3 and 2.4). *Differs from the released
    code:* the lead over the best other class; within the bound SSIM is not rewarded; the best
    state within the bound is kept.
    """

    def __init__(self, *, min_ssim: float) -> None:
        self._aim = min(min_ssim + _SSIM_MARGIN, (1 + min_ssim) / 2)

    def loss(self, view: View) -> Float[Tensor, " p"]:
        """Negative logit lead, plus a penalty on an SSIM below the bound."""
        lacking = (view.stamped.size - (1 - self._aim)).clamp(min=0)
        return _SSIM_PENALTY * lacking - view.lead.mean(dim=1)

    def score(
        self, view: View, asr: Float[Tensor, " p"], probability: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """ASR plus probability, in [0, 2], of filters within the bound, else -inf."""
        return torch.where(view.stamped.measure >= self._aim, asr + probability, -torch.inf)

    def after_step(self, view: View, asr: Float[Tensor, " p"]) -> None:
        """Does nothing: the weights are fixed."""
