"""SRI's search: a trigger for each class whose images shall be taken for anything else."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.row_adam import RowAdam
from exray.scanners.calls import pixels_per_call
from exray.scanners.checks import require_count, require_fraction
from exray.scanners.fast_logits import FastLogits
from exray.tensors import generator
from exray.triggers.trigger import Trigger

NUM_DRAWS = 4  # random numbers that an augmentation may use in a step
CHECKPOINT_STEPS = 5  # features are taken every so many steps
_EXAMPLES = 4  # images on which the faster network is checked


@dataclass(frozen=True, kw_only=True)
class Moment:
    """How far a search is.

    Args:
        round_index: Of the searches from other starts.
        step: Within the round, from 0.
        draws: Random numbers of each class for this step, in [-1, 1].
    """

    round_index: int
    step: int
    draws: Float[Tensor, "p 4"]


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A trigger that was searched for one class.

    Args:
        victim: The class.
        trigger: The last state, hardened.
        features: What the search looked like, every few steps.
    """

    victim: int
    trigger: Trigger
    features: Float[Tensor, "checkpoints f"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a search runs.

    Args:
        rounds: Searches from other starts, each told to differ from those before.
        steps: Adam steps of each.
        images_per_class: Images that a class sees in a step.
        learning_rate: Adam's.
        betas: Adam's.
    """

    rounds: int
    steps: int
    images_per_class: int
    learning_rate: float
    betas: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("rounds", "steps", "images_per_class"):
            if getattr(self, name) < 1:
                raise ValueError(f"scanner.{name} must be >= 1; got {getattr(self, name)!r}")
        if not self.learning_rate > 0:
            raise ValueError(f"scanner.learning_rate must be positive; got {self.learning_rate!r}")


@dataclass(frozen=True, kw_only=True)
class Economy:
    """Which searches are cut short, because they are settled or hopeless.

    Args:
        enough: Mean probability of the target, of a hardened trigger on all of the victim's images,
            from which its class is searched in no later round.
        give_up_steps: Steps after which a hopeless class rests until the next round.
        give_up_loss: It is hopeless if its flip loss never was below this.

    Raises:
        ValueError: If a number is out of its range.
    """

    enough: float
    give_up_steps: int
    give_up_loss: float

    def __post_init__(self) -> None:
        require_fraction("economy.enough", self.enough)
        require_count("economy.give_up_steps", self.give_up_steps)
        require_fraction("economy.give_up_loss", self.give_up_loss)


@dataclass(frozen=True, kw_only=True)
class UntargetedShape(ABC):
    """What is optimised for each class, how it changes images and what for.

    Args:
        schedule: Rounds, steps and Adam's numbers.
    """

    schedule: Schedule

    @abstractmethod
    def start(
        self, streams: Sequence[torch.Generator], image_size: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """First values, a row for each stream."""

    @abstractmethod
    def stamp(
        self, images: Float[Tensor, "p m 3 h w"], values: Sequence[Tensor], moment: Moment
    ) -> Float[Tensor, "p m 3 h w"]:
        """The images with the triggers, augmented."""

    @abstractmethod
    def flip_loss(
        self,
        probabilities: Float[Tensor, "p m k"],
        victims: Int[Tensor, " p"],
        moment: Moment,
    ) -> Float[Tensor, " p"]:
        """Low where images are not taken for their own class."""

    @abstractmethod
    def penalty(
        self,
        values: Sequence[Tensor],
        previous: Float[Tensor, "r p d"],
        moment: Moment,
    ) -> Float[Tensor, " p"]:
        """What size, form and likeness to the earlier rounds' triggers cost."""

    @abstractmethod
    def descriptor(self, values: Sequence[Tensor]) -> Float[Tensor, "p d"]:
        """What tells two triggers apart."""

    @abstractmethod
    def features(self, values: Sequence[Tensor]) -> Float[Tensor, "p f"]:
        """What a state looks like, beside its loss."""

    @abstractmethod
    def looks(self, features: Float[Tensor, "checkpoints f"]) -> Float[Tensor, " d"]:
        """What the classifier of classifiers sees of a whole search."""

    @abstractmethod
    def trigger(self, values: Sequence[Tensor], image_size: tuple[int, int]) -> Trigger:
        """The hardened trigger of one class' rows."""


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
        economy: Economy | None,
    ) -> None:
        self.shape = shape
        self.seed = seed
        self.economy = economy
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
        self._settled = none.clone()
        self.num_begun = 0  # searches of a class in a round

    def run(self, on_step: Callable[[], None]) -> Iterator[Generated]:
        """The triggers of each round's classes, when it is over, without those given up.

        Args:
            on_step: Called after each step, those that are saved included.
        """
        previous: list[Tensor] = []
        for round_index in range(self.shape.schedule.rounds):
            state = self._round(round_index, previous, on_step)
            previous.append(self.shape.descriptor(state.values).detach())
            for place in state.rows.tolist():
                own = [each[place : place + 1] for each in state.values]
                yield Generated(
                    victim=self.victims[place],
                    trigger=self.shape.trigger(own, self._size),
                    features=torch.stack([checkpoint[place] for checkpoint in state.features]),
                )

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
        schedule, device = self.shape.schedule, self._images.device
        streams = [generator(self.seed, "sri", victim, round_index) for victim in self.victims]
        started = self.shape.start(streams, self._size)
        values = tuple(each.to(device).contiguous() for each in started)
        draws = torch.stack(
            [torch.rand(schedule.steps, NUM_DRAWS, generator=each) * 2 - 1 for each in streams]
        ).to(device)
        adam = RowAdam(values, learning_rate=schedule.learning_rate, betas=schedule.betas)
        width = self.shape.descriptor(values).shape[1]
        none = values[0].new_zeros(0, len(self.victims), width)
        state = _Round(
            index=round_index,
            values=values,
            adam=adam,
            draws=draws,
            earlier=torch.stack(list(previous)) if previous else none,
            rows=(~self._settled).nonzero()[:, 0],
            features=[],
        )
        self.num_begun += len(state.rows)
        lowest = values[0].new_full((len(self.victims),), torch.inf)
        chunks = self._chunks(state.rows)
        for step in range(schedule.steps):
            losses = torch.full_like(lowest, torch.nan)
            for chunk in chunks:
                losses[chunk.rows] = self._step(state, chunk, step)
            lowest = torch.fmin(lowest, losses)
            if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == schedule.steps:
                with torch.no_grad():
                    shown = self.shape.features(values)
                state.features.append(torch.cat([losses[:, None], shown], 1))
            if self.economy is not None and step + 1 == self.economy.give_up_steps:
                state.rows = state.rows[lowest[state.rows] < self.economy.give_up_loss]
                chunks = self._chunks(state.rows)
            on_step()
        return state

    def _chunks(self, rows: Int[Tensor, " p"]) -> "list[_Chunk]":
        """Classes that go through the network together, as many each time."""
        if not len(rows):
            return []
        fits = max(1, pixels_per_call(self._images.device) * 3 // self._images[0].numel())
        victims = torch.tensor(self.victims, device=rows.device)
        return [
            _Chunk(rows=some, victims=victims[some], images=self._images[some])
            for some in torch.tensor_split(rows, max(1, round(len(rows) / fits)))
        ]

    def _step(self, state: "_Round", chunk: "_Chunk", step: int) -> Float[Tensor, " p"]:
        """One step of some classes; gives their flip losses."""
        rows, images = chunk.rows, chunk.images.permute(0, 1, 4, 2, 3)
        moment = Moment(round_index=state.index, step=step, draws=state.draws[rows, step])
        leaves = [each[rows].requires_grad_(True) for each in state.values]
        stamped = self.shape.stamp(images, leaves, moment)
        logits = self._logits(stamped.flatten(0, 1)).view(*images.shape[:2], -1)
        flip = self.shape.flip_loss(logits.softmax(dim=2), chunk.victims, moment)
        cost = self.shape.penalty(leaves, state.earlier[:, rows], moment)
        *gradients, pull = torch.autograd.grad((flip + cost).sum(), [*leaves, stamped])
        total = torch.linalg.vector_norm(pull.permute(0, 1, 3, 4, 2).flatten(1), ord=1, dim=1)
        self.moved[rows] |= (total > 0) & total.isfinite()
        self.broken[rows] |= ~total.isfinite()
        state.adam.step(rows, [torch.nan_to_num(each) for each in gradients])
        return flip.detach()


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
    features: list[Float[Tensor, "k f"]]
