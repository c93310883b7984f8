"""The LightningModule that finds the smallest mask for every pair of sample sets at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from exray.differencing.feature_pairs import FeaturePairs, PairBatch
from exray.differencing.loss import barrier_weights, exchange, mask_loss
from exray.tensors import generator

START_LOGIT = 4.0  # mask 0.99966, the released code's "all ones"
_GAIN = 0.01  # relative drop of a mask's sum that counts as a gain
LARGE_CACHE_SAMPLES = 64  # samples a head call takes at once on a CPU (facts: fastest near 40)


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """What the paper sets, and what it leaves open.

    Args:
        alpha: Cross-entropy under which a constraint counts as met, in nats (section 3.1).
        weight_large: Weight of a violated constraint.
        weight_small: Weight of a satisfied one.
        learning_rate: Adam's.
        epochs: Passes over all samples.
        patience: Epochs without a mask smaller by 1 % after which a pair leaves the optimisation;
            as many as ``epochs`` never does, which is the paper's schedule.
        seed: Of the random pairings.

    Raises:
        ValueError: If a number is out of its range.
    """

    alpha: float
    weight_large: float
    weight_small: float
    learning_rate: float
    epochs: int
    patience: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("alpha", "learning_rate", "epochs", "patience"):
            value = getattr(self, name)
            if isinstance(value, str) or not value > 0:
                raise ValueError(f"judge.mask.{name} must be a positive number; got {value!r}")
        if not self.weight_large > self.weight_small >= 0:
            raise ValueError(
                "judge.mask.weight_large must exceed judge.mask.weight_small >= 0; "
                f"got {self.weight_large} and {self.weight_small}"
            )


class _Epochs(IterableDataset[PairBatch]):
    """One random pairing an epoch, all epochs in one pass: Lightning's own epochs cost more."""

    def __init__(self, pairs: FeaturePairs, *, epochs: int, seed: int) -> None:
        self.pairs = pairs
        self.epochs = epochs
        self.stream = generator(seed, "pairings")

    def __iter__(self) -> Iterator[PairBatch]:
        for _ in range(self.epochs):
            yield self.pairs.draw(self.stream)


class MaskOptimization(pl.LightningModule):
    """Minimises every pair's mask under the exchange constraints; the masks alone are trained.

    The mask is ``sigmoid(2 * logit)``, the released code's ``tanh(logit) / 2 + 1/2``. Each epoch
    pairs the samples anew, takes one Adam step for all pairs, and keeps a pair's mask if it is the
    smallest so far of those for which the epoch's samples all change class as (1) and (2) ask.
    A pair for which no mask ever does keeps all ones and counts as not converged.

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
        channels = pairs.bank.shape[1]
        self.logits = nn.Parameter(torch.full((len(pairs), channels), START_LOGIT))
        self.register_buffer("best", torch.ones(len(pairs), channels))
        self.register_buffer("best_sum", torch.full((len(pairs),), torch.inf))
        self.register_buffer("best_epoch", torch.full((len(pairs),), -1))
        self.register_buffer("gain_sum", torch.full((len(pairs),), torch.inf))
        self.register_buffer("gain_epoch", torch.zeros(len(pairs), dtype=torch.long))
        self.gain_sum: Tensor
        self.gain_epoch: Tensor
        self.best: Tensor
        self.best_sum: Tensor
        self.best_epoch: Tensor

    @property
    def masks(self) -> Float[Tensor, "pairs c"]:
        """The masks as they are now, in (0, 1)."""
        return torch.sigmoid(2 * self.logits)

    @property
    def converged(self) -> Bool[Tensor, " pairs"]:
        """Which pairs have a feasible mask."""
        return torch.isfinite(self.best_sum)

    def train_dataloader(self) -> DataLoader[PairBatch]:
        """One batch an epoch: a random pairing of every pair's samples."""
        epochs = _Epochs(self.pairs, epochs=self.settings.epochs, seed=self.settings.seed)
        return DataLoader(epochs, batch_size=None)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over the mask logits alone."""
        return torch.optim.Adam([self.logits], lr=self.settings.learning_rate)

    def training_step(self, batch: PairBatch, epoch: int) -> None:
        """One pass over the pairs that still gain, in chunks that fit the cache, then one step."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        active = (epoch - self.gain_epoch <= self.settings.patience).nonzero().flatten()
        if not len(active):
            self.trainer.should_stop = True
            return
        optimizer.zero_grad(set_to_none=False)
        masks = self.masks
        shared = masks.detach().requires_grad_(True)
        feasible = torch.zeros(len(masks), dtype=torch.bool, device=masks.device)
        for rows in torch.split(active, self._pairs_per_call(batch)):
            feasible[rows] = self._chunk(batch, shared, rows)
        torch.autograd.backward(masks, shared.grad)
        self._keep_best(masks.detach(), feasible, epoch)
        optimizer.step()

    def _pairs_per_call(self, batch: PairBatch) -> int:
        """Pairs whose samples make one head call: what fits a CPU's cache, or a GPU's memory."""
        fits = LARGE_CACHE_SAMPLES if self.device.type == "cpu" else 1 << 14
        return max(1, fits // (2 * batch.first.shape[1]))

    def _chunk(
        self, batch: PairBatch, masks: Float[Tensor, "pairs c"], rows: Int[Tensor, " some"]
    ) -> Bool[Tensor, " some"]:
        """Adds one chunk's gradient to the masks; says which of its pairs are feasible."""
        mask = masks[rows]
        logits, labels = exchanged_logits(self.head, self.pairs.bank, batch, mask, rows)
        entropy = F.cross_entropy(logits.flatten(0, 2), labels.flatten(), reduction="none")
        sides = entropy.view(labels.shape)
        bounds = self.settings
        weights = barrier_weights(
            sides.detach(),
            alpha=bounds.alpha,
            large=bounds.weight_large,
            small=bounds.weight_small,
        )
        loss = mask_loss(mask, sides[0], sides[1], (weights[0], weights[1])).sum()
        torch.autograd.backward(loss)
        hits = logits.detach().argmax(dim=-1) == labels
        return hits.all(dim=2).all(dim=0)

    def _keep_best(
        self, masks: Float[Tensor, "pairs c"], feasible: Bool[Tensor, " pairs"], epoch: int
    ) -> None:
        sums = masks.sum(dim=1)
        better = feasible & (sums < self.best_sum)
        self.best = torch.where(better[:, None], masks, self.best)
        self.best_sum = torch.where(better, sums, self.best_sum)
        self.best_epoch = torch.where(better, epoch, self.best_epoch)
        gains = self.best_sum < (1 - _GAIN) * self.gain_sum
        self.gain_sum = torch.where(gains, self.best_sum, self.gain_sum)
        self.gain_epoch = torch.where(gains, epoch, self.gain_epoch)


def exchanged_logits(
    head: nn.Module,
    bank: Float[Tensor, "rows c ..."],
    batch: PairBatch,
    masks: Float[Tensor, "some c"],
    rows: Int[Tensor, " some"],
) -> tuple[Float[Tensor, "2 some n k"], Tensor]:
    """Logits of both exchanged sets of some pairs, with the classes they should have.

    Args:
        head: The part after the cut.
        bank: Features of every sample.
        batch: Which rows of the bank are exchanged.
        masks: Masks of the pairs in ``rows``.
        rows: Which pairs.

    Returns:
        Logits of (second's features into first, first's into second), and the labels: the second
        class for the former, the first for the latter.
    """
    first, second = bank[batch.first[rows]], bank[batch.second[rows]]
    into_first, into_second = exchange(first, second, masks)
    stacked = torch.stack([into_first, into_second])
    logits = head(stacked.flatten(0, 2)).view(*stacked.shape[:3], -1)
    classes = torch.stack([batch.second_class[rows], batch.first_class[rows]])
    return logits, classes[..., None].expand(stacked.shape[:3])
