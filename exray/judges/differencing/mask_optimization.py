"""The LightningModule that finds the smallest mask for every pair of sample sets at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from exray.judges.differencing.active_exchanges import ActiveExchanges
from exray.judges.differencing.evaluation import Evaluation, epoch_metrics
from exray.judges.differencing.feature_pairs import (
    Exchanges,
    FeaturePairs,
    Pairing,
    PairingSchedule,
    selected,
)
from exray.judges.differencing.head_runner import HeadCalls, HeadSettings
from exray.judges.differencing.loss import exchange
from exray.judges.differencing.objectives.base import MaskObjective, Weights
from exray.judges.differencing.smallest_masks import SmallestMasks
from exray.optim import RowAdam

START_LOGIT = 4.0  # mask 0.99966, the released code's "all ones"
_BETAS = (0.9, 0.999)  # Adam's, as everywhere
_FEW = 0.4  # share of exchanges with a gradient under which a pass for those alone is cheaper


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """How masks are optimised.

    Args:
        objective: The loss and what makes a mask feasible.
        learning_rate: Adam's.
        epochs: Passes over all samples.
        patience: Epochs without a mask smaller by 1 % after which a pair is stopped; as many as
            ``epochs`` never stops one, which is the paper's schedule.
        recheck: Epochs for which an exchange that is satisfied with margin is taken to be
            satisfied, in pairs that map one to one; 1 evaluates every exchange in every epoch.
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
                raise ValueError(f"{name} must be a positive number; got {value!r}")


class Chunk(NamedTuple):
    """Pairs of sets whose exchanges go through the head in one call.

    ``rows`` are the pairs' indices, ascending; ``exchanges`` all exchanges of theirs, ``slots``
    their indices among the exchanges of all pairs, and ``active`` the ones that are evaluated.
    """

    rows: Int[Tensor, " pairs"]
    exchanges: Exchanges
    slots: Int[Tensor, " n"]
    active: Bool[Tensor, " n"]


class MaskOptimization(pl.LightningModule):
    """Minimises every pair's mask under the exchange constraints; the masks alone are trained.

    The mask is ``sigmoid(2 * logit)``, the released code's ``tanh(logit) / 2 + 1/2``. A training
    step is an epoch of the paper: it pairs the samples anew, takes one Adam step for all pairs, and
    keeps a pair's mask if it is the smallest so far of those that are feasible: that change the
    class of every sample of the epoch as (1) and (2) ask. A pair for which no mask ever does keeps
    all ones and counts as not converged.

    Optimisation is manual because an epoch takes several backward passes, one per chunk of pairs
    that fits the memory, and one optimiser step. ``active_pairs`` take part; the callback
    ``PairEarlyStopping`` takes pairs out.

    An exchange whose weight in the loss is 0 (a satisfied constraint, where ``weight_small`` is 0)
    has no gradient; where few have one, all are passed forward without a graph, and only those few
    are passed again with one. The result is the same, and most epochs cost half. Exchanges that are
    satisfied with margin are not even passed forward until the next check (``ActiveExchanges``).

    Args:
        head: The frozen part after the cut; not trained, so not one of this module's own.
        pairs: Features and pairings.
        settings: The optimisation's numbers.

    Source: EX-RAY, section 3.1, equations (3) and (4). *Differs from the paper:* which does not
    say which of the epochs' masks is the result.
    """

    def __init__(self, head: nn.Module, pairs: FeaturePairs, settings: MaskSettings) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.settings = settings
        count, channels = len(pairs), pairs.bank.shape[1]
        self.calls = HeadCalls(head, settings.compute, bank=pairs.bank)
        sizes = [2 * pair.num_samples for pair in pairs.pairs]
        self.samples_per_call = self.calls.samples_per_call(max(sizes))
        self.barrier = settings.objective.begin(count, pairs.bank.device)
        self.exchanges = ActiveExchanges(pairs, recheck=settings.recheck)
        self.pairing = Pairing(pairs, schedule=settings.pairing, seed=settings.seed)
        self.logits = nn.Parameter(pairs.bank.new_full((count, channels), START_LOGIT))
        self.optimizer = RowAdam([self.logits], lr=settings.learning_rate, betas=_BETAS)
        self.smallest = SmallestMasks(self.logits.detach())
        self.active_pairs = list(range(count))
        self.share_with_gradient = pairs.bank.new_zeros(count)
        self.passes = 0  # samples sent through the head forward, and again with a gradient
        self.gradient_passes = 0

    @property
    def masks(self) -> Float[Tensor, "pairs c"]:
        """The current masks, in (0, 1)."""
        return torch.sigmoid(2 * self.logits)

    @property
    def epochs(self) -> Int[Tensor, " pairs"]:
        """Epochs that each pair has taken part in."""
        return self.optimizer.steps

    def configure_optimizers(self) -> RowAdam:
        """Adam with a step count per pair; the same for each fit, so that a later one continues."""
        return self.optimizer

    def train_dataloader(self) -> Iterable[Exchanges]:
        """Each epoch's exchanges of the active pairs."""
        return _EpochLoader(self)

    def training_step(self, exchanges: Exchanges, _: int) -> Tensor:
        """One epoch: the loss (4) of all active pairs, and one optimiser step.

        Args:
            exchanges: Of the active pairs.
        """
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        optimizer.zero_grad()
        total, evaluations = self.logits.new_zeros(()), []
        for chunk in self.chunks(exchanges):
            loss, evaluation = self.loss(chunk)
            self.manual_backward(loss)
            total += loss.detach()
            evaluations.append(evaluation)
        self.end_epoch(evaluations)
        optimizer.step()
        if self.logger is not None:
            self.log_dict({"loss": total, **epoch_metrics(evaluations)}, batch_size=1)
        return total

    def chunks(self, exchanges: Exchanges) -> Iterator[Chunk]:
        """The active pairs in groups whose evaluated exchanges make one head call.

        Args:
            exchanges: Of the active pairs.
        """
        active = self.exchanges.active(self.epochs)
        counts = self.exchanges.counts(active)
        start = 0
        for places in _groups(self.active_pairs, counts, room=self.samples_per_call):
            slots = self.exchanges.slots(places)
            stop = start + len(slots)
            yield Chunk(
                rows=torch.tensor(places, device=slots.device),
                exchanges=Exchanges(*(column[start:stop] for column in exchanges)),
                slots=slots,
                active=active[slots],
            )
            start = stop

    def loss(self, chunk: Chunk) -> tuple[Float[Tensor, ""], Evaluation]:
        """The loss (4), summed over some pairs, and what was measured on the way.

        Args:
            chunk: The pairs with their exchanges.
        """
        rows = chunk.rows
        masks = torch.sigmoid(2 * F.embedding(rows, self.logits, sparse=True))
        part = chunk.active.nonzero().flatten()
        evaluated = selected(chunk.exchanges, part)
        few = bool(self.share_with_gradient[rows].mean() < _FEW)
        with torch.set_grad_enabled(not few):
            logits = self._exchanged(evaluated, masks, rows)
            terms = self.barrier.terms(logits, evaluated)
        hits = torch.ones_like(chunk.active)
        hits[part] = logits.detach().argmax(dim=1) == evaluated.to_class
        weights = self._weights(chunk, part, terms.detach(), hits)
        with_gradient = weights.samples.nonzero().flatten()
        needed = selected(chunk.exchanges, with_gradient)
        if few:
            part, terms = with_gradient, self._terms(needed, masks, rows)
        loss = (weights.size[rows] * masks.sum(dim=1)).sum()
        loss = loss + (weights.samples[part] * terms).sum()
        self._count_passes(rows, evaluated, needed, again=few)
        feasible = self.barrier.feasible(hits, chunk.exchanges)[rows]
        measured = Evaluation(rows, masks.detach(), feasible, evaluated, logits.detach())
        return loss, measured

    def end_epoch(self, evaluations: Sequence[Evaluation]) -> None:
        """Keeps the smallest feasible masks; to be called before the optimiser's step.

        Args:
            evaluations: Of all active pairs.
        """
        rows = torch.cat([part.rows for part in evaluations])
        smaller = self.smallest.update(
            rows,
            torch.cat([part.masks for part in evaluations]),
            feasible=torch.cat([part.feasible for part in evaluations]),
            epochs=self.epochs[rows],
        )
        active, improved = torch.zeros(2, len(self.epochs), dtype=torch.bool, device=rows.device)
        active[rows], improved[rows] = True, smaller
        self.barrier.after_epoch(self.epochs, active=active, improved=improved)

    def _exchanged(
        self,
        exchanges: Exchanges,
        masks: Float[Tensor, "pairs c"],
        rows: Int[Tensor, " pairs"],
    ) -> Float[Tensor, "n k"]:
        """Logits of the exchanged features."""
        own, other = self.calls.features(exchanges.own), self.calls.features(exchanges.other)
        share = masks[torch.searchsorted(rows, exchanges.pair)]
        return self.calls(exchange(own, other, share))

    def _terms(
        self,
        exchanges: Exchanges,
        masks: Float[Tensor, "pairs c"],
        rows: Int[Tensor, " pairs"],
    ) -> Float[Tensor, " n"]:
        """The loss's terms of the exchanges; none of none."""
        if not len(exchanges.own):
            return masks.new_zeros(0)
        return self.barrier.terms(self._exchanged(exchanges, masks, rows), exchanges)

    def _weights(
        self,
        chunk: Chunk,
        part: Int[Tensor, " m"],
        terms: Float[Tensor, " m"],
        hits: Bool[Tensor, " n"],
    ) -> Weights:
        """Weights of a chunk's exchanges, of which ``part`` were evaluated; chooses the skipped."""
        values = terms.new_zeros(len(hits)).index_copy(0, part, terms)
        self.exchanges.update(
            chunk.slots,
            terms=values,
            with_margin=self.barrier.satisfied_with_margin(values),
            epochs=self.epochs,
        )
        return self.barrier.weights(values, hits, chunk.exchanges)

    def _count_passes(
        self,
        rows: Int[Tensor, " pairs"],
        evaluated: Exchanges,
        needed: Exchanges,
        *,
        again: bool,
    ) -> None:
        """Counts samples passed, and the share of a pair's exchanges that had a gradient."""
        count = len(self.share_with_gradient)
        with_gradient = torch.bincount(needed.pair, minlength=count)
        total = torch.bincount(evaluated.pair, minlength=count)
        share = (with_gradient[rows] / total[rows]).to(self.share_with_gradient.dtype)
        self.share_with_gradient[rows] = share
        self.passes += len(evaluated.pair)
        self.gradient_passes += len(needed.pair) if again else len(evaluated.pair)


class _EpochLoader:
    """Yields every epoch's exchanges of the pairs that are active by then.

    Has a length, because Lightning fetches ahead where it knows none: the pairs of an epoch are
    known only after the one before it.
    """

    def __init__(self, optimization: MaskOptimization) -> None:
        self._optimization = optimization

    def __len__(self) -> int:
        return self._optimization.settings.epochs

    def __iter__(self) -> Iterator[Exchanges]:
        for _ in range(len(self)):
            if not self._optimization.active_pairs:
                return
            yield self._optimization.pairing.draw(self._optimization.active_pairs)


def _groups(places: Sequence[int], counts: Sequence[int], *, room: int) -> list[list[int]]:
    """Pairs in groups of no more than ``room`` samples together, at least one pair each."""
    groups: list[list[int]] = [[]]
    left = room
    for place in places:
        if counts[place] > left and groups[-1]:
            groups.append([])
            left = room
        groups[-1].append(place)
        left -= counts[place]
    return groups
