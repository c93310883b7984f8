"""SRI's search: a trigger per class whose images shall be classified as any other class."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.optim import RowAdam
from exray.scanners.inversion.batching import pixels_per_call
from exray.scanners.inversion.fast_logits import FastLogits
from exray.scanners.sri.early_stopping import EarlyStopping
from exray.scanners.sri.shape import NUM_DRAWS, Moment, UntargetedShape
from exray.seeding import generator
from exray.triggers.base import Trigger

_EXAMPLES = 4  # images on which the faster network is checked


@dataclass(frozen=True, kw_only=True)
class GeneratedTrigger:
    """The trigger that one round's search generated for one class.

    Args:
        victim: The class.
        trigger: The last state, hardened.
    """

    victim: int
    trigger: Trigger


class UntargetedSearch:
    """Optimises a trigger for every class at once; no class depends on the others.

    It does not use ``Inversion``, whose candidates have targets: here there are none, the trigger
    is augmented in each step, and later rounds compare with the triggers of earlier ones.

    Args:
        classifier: The classifier to scan.
        samples: Clean images that it classifies correctly.
        shape: The kind of trigger.
        seed: Of starts and augmentations; each class has its own random streams.
        early_stopping: When searches are cut short; None for never.

    Source: SRI Trinity, "bottom-up/top-down" trigger search (facts, section 4).
    """

    def __init__(
        self,
        classifier: Classifier,
        samples: SampleSet,
        shape: UntargetedShape,
        *,
        seed: int,
        early_stopping: EarlyStopping | None,
    ) -> None:
        self.shape = shape
        self.seed = seed
        self.early_stopping = early_stopping
        self.num_rounds = shape.schedule.rounds
        if early_stopping is not None:
            self.num_rounds = min(self.num_rounds, early_stopping.rounds)
        self.victims = [index for index, count in enumerate(samples.counts()) if count]
        count = shape.schedule.images_per_class
        pools = [samples.of_class(victim) for victim in self.victims]
        images = torch.stack([pool[torch.arange(count) % len(pool)] for pool in pools])
        self._images = images.permute(0, 1, 3, 4, 2).contiguous()  # as networks take them fastest
        self._size = (samples.images.shape[-2], samples.images.shape[-1])
        self._logits = FastLogits(classifier, samples.images[:_EXAMPLES])
        none = torch.zeros(len(self.victims), dtype=torch.bool, device=self._images.device)
        self.has_gradient = none.clone()  # whether a class ever had a gradient
        self.has_broken_gradient = none.clone()  # whether one was NaN or infinite
        self._is_decided = none.clone()  # not searched in later rounds
        self.num_searches = 0  # of one class in one round

    def run(self, on_step: Callable[[], None]) -> Iterator[GeneratedTrigger]:
        """Yields the triggers after each round, without those of early-stopped classes.

        Args:
            on_step: Called after each step, skipped ones included.
        """
        previous: list[Tensor] = []
        for round_index in range(self.num_rounds):
            state = self._run_round(round_index, previous, on_step)
            previous.append(self.shape.descriptor(state.values).detach())
            for row in sorted(state.rows.tolist() + state.done):
                values = [value[row : row + 1] for value in state.values]
                trigger = self.shape.trigger(values, self._size)
                yield GeneratedTrigger(victim=self.victims[row], trigger=trigger)

    @property
    def num_steps(self) -> int:
        """Steps of all rounds, skipped ones included."""
        return self.num_rounds * self.shape.schedule.steps

    def record_success(self, victim: int, probability: float) -> None:
        """Records how well a trigger works, so that its class may skip the later rounds.

        Args:
            victim: The trigger's class.
            probability: Mean target probability on all of the victim's images.
        """
        stopping = self.early_stopping
        if stopping is not None and probability >= stopping.sufficient_probability:
            self._is_decided[self.victims.index(victim)] = True

    def _run_round(
        self, round_index: int, previous: Sequence[Tensor], on_step: Callable[[], None]
    ) -> "_RoundState":
        """One round of the classes that are not decided."""
        state = self._start_round(round_index, previous)
        chunks = self._chunks(state.rows)
        for step in range(self.shape.schedule.steps):
            for chunk in chunks:
                self._step(state, chunk, step)
            state.lowest = torch.fmin(state.lowest, state.losses)
            if self._stop_early(state, step + 1):
                chunks = self._chunks(state.rows)
            on_step()
        return state

    def _start_round(self, round_index: int, previous: Sequence[Tensor]) -> "_RoundState":
        """A round's initial state."""
        schedule, device = self.shape.schedule, self._images.device
        streams = [generator(self.seed, "sri", victim, round_index) for victim in self.victims]
        initial = self.shape.start(streams, self._size)
        values = tuple(value.to(device).contiguous() for value in initial)
        draws = torch.stack(
            [torch.rand(schedule.steps, NUM_DRAWS, generator=s) * 2 - 1 for s in streams]
        ).to(device)
        width = self.shape.descriptor(values).shape[1]
        none = values[0].new_zeros(0, len(self.victims), width)
        unknown = values[0].new_full((len(self.victims),), torch.nan)
        rows = (~self._is_decided).nonzero()[:, 0]
        self.num_searches += len(rows)
        return _RoundState(
            index=round_index,
            values=values,
            adam=RowAdam(values, lr=schedule.learning_rate, betas=schedule.betas),
            draws=draws,
            earlier=torch.stack(list(previous)) if previous else none,
            rows=rows,
            losses=unknown.clone(),
            lowest=unknown.clone(),
            target_probabilities=unknown.clone(),
        )

    @torch.no_grad()
    def _stop_early(self, state: "_RoundState", step: int) -> bool:
        """Removes decided and unpromising classes from a round; whether there were any."""
        stopping, rows = self.early_stopping, state.rows
        if stopping is None:
            return False
        hurdle = stopping.hurdle_at(step)
        if not self.shape.shrinks:
            done = state.target_probabilities[rows] >= stopping.sufficient_probability
            state.done += rows[done].tolist()
            state.rows = rows[~done]
        elif hurdle is not None:
            sizes = self.shape.size_shares([value[rows] for value in state.values])
            flips, small = hurdle.passed(state.lowest[rows], sizes)
            self._is_decided[rows[~small]] = True
            state.rows = rows[flips & small]
        return len(state.rows) < len(rows)

    def _chunks(self, rows: Int[Tensor, " p"]) -> "list[_Chunk]":
        """The classes in chunks of equal size that go through the network together."""
        if not len(rows):
            return []
        fits = max(1, pixels_per_call(self._images.device) * 3 // self._images[0].numel())
        victims = torch.tensor(self.victims, device=rows.device)
        return [
            _Chunk(rows=part, victims=victims[part], images=self._images[part])
            for part in torch.tensor_split(rows, -(-len(rows) // fits))
        ]

    def _step(self, state: "_RoundState", chunk: "_Chunk", step: int) -> None:
        """One optimisation step of one chunk of classes."""
        rows, images = chunk.rows, chunk.images.permute(0, 1, 4, 2, 3)
        moment = Moment(round_index=state.index, step=step, draws=state.draws[rows, step])
        leaves = [value[rows].requires_grad_(True) for value in state.values]
        stamped = self.shape.stamp(images, leaves, moment)
        logits = self._logits(stamped.flatten(0, 1)).view(*images.shape[:2], -1)
        probabilities = logits.softmax(dim=2)
        flip = self.shape.flip_loss(probabilities, chunk.victims, moment)
        cost = self.shape.penalty(leaves, state.earlier[:, rows], moment)
        watched = [] if bool(self.has_gradient[rows].all()) else [stamped]
        gradients = torch.autograd.grad((flip + cost).sum(), [*leaves, *watched])
        for gradient in gradients[len(leaves) :]:
            total = gradient.permute(0, 1, 3, 4, 2).flatten(1).abs().sum(dim=1)
            self.has_gradient[rows] |= (total > 0) & total.isfinite()
        gradients = gradients[: len(leaves)]
        for gradient in gradients:
            self.has_broken_gradient[rows] |= ~gradient.flatten(1).isfinite().all(dim=1)
        state.adam.step_rows(rows, [torch.nan_to_num(gradient) for gradient in gradients])
        state.losses[rows] = flip.detach()
        means = probabilities.detach().mean(dim=1)
        state.target_probabilities[rows] = means.scatter(1, chunk.victims[:, None], 0.0).amax(dim=1)


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """Classes that go through the network together, with their images."""

    rows: Int[Tensor, " p"]
    victims: Int[Tensor, " p"]
    images: Float[Tensor, "p m h w 3"]


@dataclass(kw_only=True)
class _RoundState:
    """The state of one round: parameters and Adam's memory of all classes, and the active rows."""

    index: int
    values: tuple[Tensor, ...]
    adam: RowAdam
    draws: Float[Tensor, "k steps 4"]
    earlier: Float[Tensor, "r k d"]
    rows: Int[Tensor, " p"]
    losses: Float[Tensor, " k"]  # flip losses of the last step
    lowest: Float[Tensor, " k"]  # lowest flip losses of the round
    target_probabilities: Float[Tensor, " k"]  # of the likeliest target in the last step
    done: list[int] = field(default_factory=list)
