"""SRI's search: a trigger for each class whose images shall be taken for anything else."""

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

CHECKPOINT_STEPS = 5  # features are taken every so many steps
_EXAMPLES = 4  # images on which the faster network is checked


@dataclass(frozen=True, kw_only=True)
class GeneratedTrigger:
    """A trigger that was searched for one class.

    Args:
        victim: The class.
        trigger: The last state, hardened.
        features: What the search looked like, every few steps.
    """

    victim: int
    trigger: Trigger
    features: Float[Tensor, "checkpoints f"]


class UntargetedSearch:
    """Optimises a trigger for every class at once; none depends on the others.

    A loop of its own beside ``engine.Inversion``, which knows targets: here there is none, the
    trigger is moved about in each step, and later rounds look at the triggers of earlier ones.

    Args:
        classifier: What is scanned.
        samples: Clean images that it gets right.
        shape: What is optimised.
        seed: Of starts and augmentations; each class has streams of its own.
        economy: Which searches are cut short; None for none.

    Source: SRI Trinity, "bottom-up/top-down" trigger search (facts, section 4).
    """

    def __init__(
        self,
        classifier: Classifier,
        samples: SampleSet,
        shape: UntargetedShape,
        *,
        seed: int,
        economy: EarlyStopping | None,
    ) -> None:
        self.shape = shape
        self.seed = seed
        self.economy = economy
        rounds = shape.schedule.rounds
        self.num_rounds = rounds if economy is None else economy.at_most(rounds)
        self.victims = [index for index, count in enumerate(samples.counts()) if count]
        count = shape.schedule.images_per_class
        pools = [samples.of_class(victim) for victim in self.victims]
        images = torch.stack([pool[torch.arange(count) % len(pool)] for pool in pools])
        self._images = images.permute(0, 1, 3, 4, 2).contiguous()  # as networks take them fastest
        self._size = (samples.images.shape[-2], samples.images.shape[-1])
        self._logits = FastLogits(classifier, samples.images[:_EXAMPLES])
        none = torch.zeros(len(self.victims), dtype=torch.bool, device=self._images.device)
        self.moved = none.clone()  # whether a class ever had a gradient
        self.broken = none.clone()  # whether one was NaN or infinite
        self._settled = none.clone()  # searched in no later round
        self.num_begun = 0  # searches of a class in a round

    def run(self, on_step: Callable[[], None]) -> Iterator[GeneratedTrigger]:
        """The triggers of each round's classes, when it is over, without those given up.

        Args:
            on_step: Called after each step, those that are saved included.
        """
        previous: list[Tensor] = []
        for round_index in range(self.num_rounds):
            state = self._round(round_index, previous, on_step)
            previous.append(self.shape.descriptor(state.values).detach())
            for place in sorted(state.rows.tolist() + state.done):
                own = [each[place : place + 1] for each in state.values]
                yield GeneratedTrigger(
                    victim=self.victims[place],
                    trigger=self.shape.trigger(own, self._size),
                    features=torch.stack([checkpoint[place] for checkpoint in state.features]),
                )

    @property
    def num_steps(self) -> int:
        """Steps of all rounds, those that are saved included."""
        return self.num_rounds * self.shape.schedule.steps

    def note(self, victim: int, probability: float) -> None:
        """Takes down how well a trigger works: a class whose works well enough is settled.

        Args:
            victim: The trigger's class.
            probability: Of its target, on all of the victim's images.
        """
        if self.economy is not None and probability >= self.economy.enough:
            self._settled[self.victims.index(victim)] = True

    def _round(
        self, round_index: int, previous: Sequence[Tensor], on_step: Callable[[], None]
    ) -> "_Round":
        """One round of the classes that are not settled."""
        state = self._begin(round_index, previous)
        chunks = self._chunks(state.rows)
        steps = self.shape.schedule.steps
        for step in range(steps):
            for chunk in chunks:
                self._step(state, chunk, step)
            state.lowest = torch.fmin(state.lowest, state.losses)
            if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == steps:
                with torch.no_grad():
                    shown = self.shape.features(state.values)
                state.features.append(torch.cat([state.losses[:, None], shown], 1))
            if self.economy is not None and self._thinned(state, self.economy, step + 1):
                chunks = self._chunks(state.rows)
            on_step()
        return state

    def _begin(self, round_index: int, previous: Sequence[Tensor]) -> "_Round":
        """A round's first state."""
        schedule, device = self.shape.schedule, self._images.device
        streams = [generator(self.seed, "sri", victim, round_index) for victim in self.victims]
        started = self.shape.start(streams, self._size)
        values = tuple(each.to(device).contiguous() for each in started)
        draws = torch.stack(
            [torch.rand(schedule.steps, NUM_DRAWS, generator=each) * 2 - 1 for each in streams]
        ).to(device)
        width = self.shape.descriptor(values).shape[1]
        none = values[0].new_zeros(0, len(self.victims), width)
        unknown = values[0].new_full((len(self.victims),), torch.nan)
        rows = (~self._settled).nonzero()[:, 0]
        self.num_begun += len(rows)
        return _Round(
            index=round_index,
            values=values,
            adam=RowAdam(values, learning_rate=schedule.learning_rate, betas=schedule.betas),
            draws=draws,
            earlier=torch.stack(list(previous)) if previous else none,
            rows=rows,
            losses=unknown.clone(),
            lowest=unknown.clone(),
            surest=unknown.clone(),
        )

    @torch.no_grad()
    def _thinned(self, state: "_Round", economy: EarlyStopping, step: int) -> bool:
        """Takes classes out of a round that are done or hopeless; whether there were any."""
        rows, hurdle = state.rows, economy.at(step)
        if not self.shape.shrinks:
            done = state.surest[rows] >= economy.enough
            state.done += rows[done].tolist()
            state.rows = rows[~done]
        elif hurdle is not None:
            sizes = self.shape.size_shares([each[rows] for each in state.values])
            flips, small = hurdle.passed(state.lowest[rows], sizes)
            self._settled[rows[~small]] = True
            state.rows = rows[flips & small]
        return len(state.rows) < len(rows)

    def _chunks(self, rows: Int[Tensor, " p"]) -> "list[_Chunk]":
        """Classes that go through the network together, as many each time."""
        if not len(rows):
            return []
        fits = max(1, pixels_per_call(self._images.device) * 3 // self._images[0].numel())
        victims = torch.tensor(self.victims, device=rows.device)
        return [
            _Chunk(rows=some, victims=victims[some], images=self._images[some])
            for some in torch.tensor_split(rows, -(-len(rows) // fits))
        ]

    def _step(self, state: "_Round", chunk: "_Chunk", step: int) -> None:
        """One step of some classes."""
        rows, images = chunk.rows, chunk.images.permute(0, 1, 4, 2, 3)
        moment = Moment(round_index=state.index, step=step, draws=state.draws[rows, step])
        leaves = [each[rows].requires_grad_(True) for each in state.values]
        stamped = self.shape.stamp(images, leaves, moment)
        logits = self._logits(stamped.flatten(0, 1)).view(*images.shape[:2], -1)
        probabilities = logits.softmax(dim=2)
        flip = self.shape.flip_loss(probabilities, chunk.victims, moment)
        cost = self.shape.penalty(leaves, state.earlier[:, rows], moment)
        watched = [] if bool(self.moved[rows].all()) else [stamped]
        found = torch.autograd.grad((flip + cost).sum(), [*leaves, *watched])
        gradients = found[: len(leaves)]
        for pull in found[len(leaves) :]:
            total = pull.permute(0, 1, 3, 4, 2).flatten(1).abs().sum(dim=1)
            self.moved[rows] |= (total > 0) & total.isfinite()
        for each in gradients:
            self.broken[rows] |= ~each.flatten(1).isfinite().all(dim=1)
        state.adam.step(rows, [torch.nan_to_num(each) for each in gradients])
        state.losses[rows] = flip.detach()
        means = probabilities.detach().mean(dim=1)
        state.surest[rows] = means.scatter(1, chunk.victims[:, None], 0.0).amax(dim=1)


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """Classes that go through the network together, with their images."""

    rows: Int[Tensor, " p"]
    victims: Int[Tensor, " p"]
    images: Float[Tensor, "p m h w 3"]


@dataclass(kw_only=True)
class _Round:
    """The state of one round: values and memory of all classes, and which are still searched."""

    index: int
    values: tuple[Tensor, ...]
    adam: RowAdam
    draws: Float[Tensor, "k steps 4"]
    earlier: Float[Tensor, "r k d"]
    rows: Int[Tensor, " p"]
    losses: Float[Tensor, " k"]  # flip losses of each class' last step
    lowest: Float[Tensor, " k"]  # and the lowest of the round
    surest: Float[Tensor, " k"]  # mean probability of the likeliest target in the last step
    done: list[int] = field(default_factory=list)
    features: list[Float[Tensor, "k f"]] = field(default_factory=list)
