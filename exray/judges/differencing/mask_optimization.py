"""The LightningModule that finds the smallest mask for every pair of sample sets at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from exray.judges.differencing.active_exchanges import ActiveExchanges
from exray.judges.differencing.feature_pairs import (
    Exchanges,
    FeaturePairs,
    Pairing,
    PairingSchedule,
    selected,
)
from exray.judges.differencing.head_runner import HeadCalls, HeadSettings
from exray.judges.differencing.loss import exchange
from exray.judges.differencing.objectives.base import MaskObjective
from exray.optim import RowAdam

START_LOGIT = 4.0  # mask 0.99966, the released code's "all ones"
GAIN = 0.01  # relative drop of a mask's sum that counts as a gain
_BETAS = (0.9, 0.999)  # Adam's, as everywhere
_FEW = 0.4  # share of exchanges with a gradient under which a pass for those alone is cheaper


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """How masks are optimised.

    Args:
        objective: The loss and what makes a mask feasible.
        learning_rate: Adam's.
        epochs: Passes over all samples.
        patience: Epochs without a mask smaller by 1 % after which a pair rests; as many as
            ``epochs`` never does, which is the paper's schedule.
        recheck: Epochs for which an exchange that holds with room to spare is taken to hold, in
            pairs that map one to one; 1 looks at every exchange in every epoch.
        pairing: ``each_epoch`` or ``once``: when samples are paired anew.
        compute: How the head is run.
        seed: Of the random pairings.

    Raises:
        ValueError: If a number is out of its range.
    """

    objective: MaskObjective
    learning_rate: float
    epochs: int
    patience: int
    recheck: int
    pairing: PairingSchedule
    compute: HeadSettings
    seed: int

    def __post_init__(self) -> None:
        for name in ("learning_rate", "epochs", "patience", "recheck"):
            value = getattr(self, name)
            if isinstance(value, str) or not value > 0:
                raise ValueError(
                    f"judge.engine.mask.{name} must be a positive number; got {value!r}"
                )


class _Epochs(IterableDataset[int]):
    """Epoch numbers, all in one pass: Lightning's own epochs cost more."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))


class MaskOptimization(pl.LightningModule):
    """Minimises every pair's mask under the exchange constraints; the masks alone are trained.

    The mask is ``sigmoid(2 * logit)``, the released code's ``tanh(logit) / 2 + 1/2``. Each epoch
    pairs the samples anew, takes one Adam step for all pairs, and keeps a pair's mask if it is the
    smallest so far of those that are feasible: that change the class of every sample of the epoch
    as (1) and (2) ask. A pair for which no mask ever does keeps all ones and counts as not
    converged. A pair that gains nothing for a while rests; ``wake`` has it go on just where it
    stopped, so that it ends as if it had never rested.

    An exchange whose weight in the loss is 0 (a satisfied constraint, where ``weight_small`` is 0)
    has no gradient; where few have one, all go forward without a graph, and only those few are
    passed again with one. The result is the same, and most epochs cost half. Exchanges that hold
    with room to spare are not even passed forward until the next check (``ActiveExchanges``).

    Args:
        head: The frozen part after the cut.
        pairs: Features and pairings.
        settings: The optimisation's numbers.

    Source: EX-RAY, section 3.1, equations (3) and (4). *Differs from the paper:* which does not
    say which of the epochs' masks is the result.
    """

    def __init__(self, head: nn.Module, pairs: FeaturePairs, settings: MaskSettings) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.head = head
        self.pairs = pairs
        self.settings = settings
        count, channels = len(pairs), pairs.bank.shape[1]
        dtype, device = pairs.bank.dtype, pairs.bank.device
        self.calls = HeadCalls(head, settings.compute, bank=pairs.bank)
        sizes = [2 * pair.num_samples for pair in pairs.pairs]
        self.samples_per_call = self.calls.samples_per_call(max(sizes))
        self.barrier = settings.objective.begin(count, device)
        self.watch = ActiveExchanges(pairs, recheck=settings.recheck)
        self.pairing = Pairing(pairs, schedule=settings.pairing, seed=settings.seed)
        self.logits = nn.Parameter(
            torch.full((count, channels), START_LOGIT, dtype=dtype, device=device)
        )
        self.best = torch.ones(count, channels, dtype=dtype, device=device)
        self.best_sum = torch.full((count,), torch.inf, dtype=dtype, device=device)
        self.best_epoch = torch.full((count,), -1, device=device)
        self.gain_sum = self.best_sum.clone()
        self.gain_epoch = torch.zeros(count, dtype=torch.long, device=device)
        self.patience = torch.full_like(self.gain_epoch, settings.patience)
        self.adam = RowAdam([self.logits.data], learning_rate=settings.learning_rate, betas=_BETAS)
        self.share_with_gradient = torch.zeros(count, dtype=dtype, device=device)
        self.passes = 0  # samples sent through the head forward, and again with a gradient
        self.gradient_passes = 0

    @property
    def masks(self) -> Float[Tensor, "pairs c"]:
        """The masks as they are now, in (0, 1)."""
        return torch.sigmoid(2 * self.logits)

    @property
    def converged(self) -> Bool[Tensor, " pairs"]:
        """Which pairs have a feasible mask."""
        return torch.isfinite(self.best_sum)

    @property
    def epochs(self) -> Int[Tensor, " pairs"]:
        """Epochs that each pair has taken part in."""
        return self.adam.steps

    def wake(self, places: list[int]) -> None:
        """Has some pairs take all epochs, whatever they gain."""
        self.patience[places] = self.settings.epochs

    def train_dataloader(self) -> DataLoader[int]:
        """The epochs' numbers; samples are paired within the step, for the pairs that are left."""
        return DataLoader(_Epochs(self.settings.epochs), batch_size=None)

    def configure_optimizers(self) -> None:
        """None: every pair has its own count of Adam's steps, so that it can rest."""

    def training_step(self, _: int) -> None:
        """One epoch; stops the Trainer once no pair is left."""
        if not self.advance():
            self.trainer.should_stop = True

    def advance(self) -> bool:
        """One pass over the pairs that still gain, in chunks that fit the memory, then one step.

        Returns:
            Whether a pair was left to optimise.
        """
        waited = self.epochs - self.gain_epoch
        active = (waited <= self.patience) & (self.epochs < self.settings.epochs)
        rows = active.nonzero().flatten()
        if not len(rows):
            return False
        masks = self.masks
        held = masks.detach()
        gradient = torch.zeros_like(held)
        feasible = torch.zeros_like(self.converged)
        looked_at = self.watch.looked_at(self.epochs)
        for places in self._chunks(rows.tolist(), self.watch.counts(looked_at)):
            feasible |= self._chunk(places, looked_at, masks=held, gradient=gradient)
        (step,) = torch.autograd.grad(masks, self.logits, gradient)
        improved = self._keep_best(held, feasible)
        self.barrier.after_epoch(self.epochs, active=active, improved=improved)
        self.adam.step(rows, [step[rows]])
        return True

    def _chunks(self, active: list[int], counts: list[int]) -> list[list[int]]:
        """The active pairs in groups whose samples make one head call."""
        chunks: list[list[int]] = [[]]
        room = self.samples_per_call
        for place in active:
            size = counts[place]
            if size > room and chunks[-1]:
                chunks.append([])
                room = self.samples_per_call
            chunks[-1].append(place)
            room -= size
        return chunks

    def _chunk(
        self,
        places: list[int],
        looked_at: Bool[Tensor, " all"],
        *,
        masks: Float[Tensor, "pairs c"],
        gradient: Float[Tensor, "pairs c"],
    ) -> Bool[Tensor, " pairs"]:
        """Adds some pairs' gradients to ``gradient``; says which of them are feasible."""
        exchanges = self.pairing.draw(places)
        slots = self.watch.of(places)
        seen = looked_at[slots].nonzero().flatten()
        part = selected(exchanges, seen)
        rows = torch.tensor(places, device=masks.device)
        few = bool(self.share_with_gradient[rows].mean() < _FEW)
        leaf = masks.clone().requires_grad_(True)
        with torch.set_grad_enabled(not few):
            logits = self._logits(part, leaf)
            passed = self.barrier.terms(logits, part)
        terms = passed.detach().new_zeros(len(slots)).index_copy(0, seen, passed.detach())
        hits = torch.ones_like(slots, dtype=torch.bool)
        hits[seen] = logits.detach().argmax(dim=1) == part.wanted
        weights = self.barrier.weights(terms, hits, exchanges)
        self.watch.check(slots, terms=terms, easy=self.barrier.easy(terms), epochs=self.epochs)
        needed = (weights.samples != 0).nonzero().flatten()
        if few and len(needed):
            again = selected(exchanges, needed)
            passed = self.barrier.terms(self._logits(again, leaf), again)
            torch.autograd.backward((passed * weights.samples[needed]).sum())
        elif not few:
            torch.autograd.backward((passed * weights.samples[seen]).sum())
        if leaf.grad is not None:
            gradient += leaf.grad
        gradient[rows] += weights.size[rows, None]
        self.passes += len(seen)
        self.gradient_passes += len(needed) if few else len(seen)
        self._count_gradients(exchanges.pair[needed], part.pair, rows)
        feasible = torch.zeros_like(self.converged)
        feasible[rows] = self.barrier.feasible(hits, exchanges)[rows]
        return feasible

    def _logits(
        self, exchanges: Exchanges, masks: Float[Tensor, "pairs c"]
    ) -> Float[Tensor, "n k"]:
        """Logits of the exchanged features."""
        own, other = self.calls.features(exchanges.own), self.calls.features(exchanges.other)
        return self.calls(exchange(own, other, masks[exchanges.pair]))

    def _count_gradients(
        self, needed: Int[Tensor, " m"], seen: Int[Tensor, " n"], rows: Int[Tensor, " some"]
    ) -> None:
        """Remembers which share of a pair's exchanges had a gradient, for the next epoch."""
        count = len(self.pairs)
        with_gradient = torch.bincount(needed, minlength=count)
        total = torch.bincount(seen, minlength=count)
        self.share_with_gradient[rows] = (with_gradient[rows] / total[rows]).to(
            self.share_with_gradient.dtype
        )

    def _keep_best(
        self, masks: Float[Tensor, "pairs c"], feasible: Bool[Tensor, " pairs"]
    ) -> Bool[Tensor, " pairs"]:
        """Keeps what is the smallest feasible mask so far; says where one was."""
        sums = masks.sum(dim=1)
        better = feasible & (sums < self.best_sum)
        self.best = torch.where(better[:, None], masks, self.best)
        self.best_sum = torch.where(better, sums, self.best_sum)
        self.best_epoch = torch.where(better, self.epochs, self.best_epoch)
        gains = self.best_sum < (1 - GAIN) * self.gain_sum
        self.gain_sum = torch.where(gains, self.best_sum, self.gain_sum)
        self.gain_epoch = torch.where(gains, self.epochs, self.gain_epoch)
        return better
