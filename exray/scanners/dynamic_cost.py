"""Neural Cleanse's objective: flip every image with as small a mask as possible."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from exray.scanners.checks import require_fraction
from exray.scanners.parts import Objective, View


@dataclass(frozen=True, kw_only=True)
class CostSettings:
    """How the weight of the mask's size follows the ASR.

    Args:
        asr_bar: ASR from which a step is a success, a fraction.
        first_cost: Weight after the first run of successes; before it, 0.
        first_patience: Successes in a row after which it begins.
        patience: Successes or failures in a row after which the weight changes.
        up: Factor after successes.
        down: Divisor after failures.

    Raises:
        ValueError: If the bar is no fraction or a factor does not exceed 1.
    """

    asr_bar: float
    first_cost: float
    first_patience: int
    patience: int
    up: float
    down: float

    def __post_init__(self) -> None:
        require_fraction("cost.asr_bar", self.asr_bar)
        for name in ("up", "down"):
            value = getattr(self, name)
            if isinstance(value, str) or not value > 1:
                raise ValueError(f"scanner.engine.cost.{name} must exceed 1; got {value!r}")


class DynamicCost(Objective):
    """Cross-entropy to the target plus a weight of each candidate's own times its mask's sum.

    Args:
        settings: How the weights change.
        num_candidates: How many weights.
        device: Where they lie.

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
        """Minus the mask's sum, where the ASR reaches its bar."""
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
