"""Bounded strength: how far triggers within a bound push images past a target class."""

import torch
from jaxtyping import Float
from torch import Tensor

from exray.scanners.inversion.interfaces import InversionObjective, View

CAP = 12.0  # of one image's lead, in the units of a tempered classifier: clean margins are about 8
_BEYOND = 0.1  # what a lead beyond it counts
_SSIM_MARGIN = 0.01  # by which the first images must exceed the bound, for the mean of all to do so
_SSIM_PENALTY = 1000.0  # per unit of SSIM below the bound


def capped(leads: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Leads that count fully up to 12 and a tenth beyond, so that one image outweighs no others.

    Example:
        >>> capped(torch.tensor([-30.0, 12.0, 22.0]))
        tensor([-30.,  12.,  13.])
    """
    return leads.clamp(max=CAP) + _BEYOND * (leads - CAP).clamp(min=0)


class Strength(InversionObjective):
    """Maximises the mean capped lead of the target; states beyond the bound do not count.

    Args:
        min_ssim: Least similarity of changed and clean images for triggers whose measure it is;
            None for triggers with a number of pixels.

    Attributes:
        bound: Greatest number of pixels of a trigger whose state is kept.

    Source: none; a prototype on released networks (facts, bounded strength).
    """

    def __init__(self, *, min_ssim: float | None = None) -> None:
        self.bound = torch.inf
        self._aim = None if min_ssim is None else min(min_ssim + _SSIM_MARGIN, (1 + min_ssim) / 2)

    def loss(self, view: View) -> Float[Tensor, " p"]:
        """Minus the mean capped lead, plus a penalty on a similarity below its bound."""
        loss = -self.leads(view).mean(dim=1)
        if self._aim is None:
            return loss
        return loss + _SSIM_PENALTY * (view.stamped.size - (1 - self._aim)).clamp(min=0)

    def score(
        self, view: View, asr: Float[Tensor, " p"], probability: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """The mean capped lead within the bound, else -inf."""
        del asr, probability
        measure = view.stamped.measure
        within = measure <= self.bound if self._aim is None else measure >= self._aim
        return torch.where(within, self.leads(view).mean(dim=1), -torch.inf)

    def after_step(self, view: View, asr: Float[Tensor, " p"]) -> None:
        """Does nothing: there are no weights."""

    def leads(self, view: View) -> Float[Tensor, "p m"]:
        """The capped lead of the target over the best other class, per image."""
        return capped(view.lead)
