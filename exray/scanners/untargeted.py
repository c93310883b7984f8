"""SRI's search: a trigger for each class whose images shall be taken for anything else."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.row_adam import RowAdam
from exray.scanners.calls import pixels_per_call
from exray.tensors import generator
from exray.triggers.trigger import Trigger

NUM_DRAWS = 4  # random numbers that an augmentation may use in a step
CHECKPOINT_STEPS = 5  # features are taken every so many steps


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
        """What the classifier of classifiers sees of a state, beside its loss."""

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

    Source: SRI Trinity, "bottom-up/top-down" trigger search (facts, section 4).
    """

    def __init__(
        self, classifier: Classifier, samples: SampleSet, shape: UntargetedShape, *, seed: int
    ) -> None:
        self.classifier = classifier
        self.shape = shape
        self.seed = seed
        self.victims = [index for index, count in enumerate(samples.counts()) if count]
        count = shape.schedule.images_per_class
        pools = [samples.of_class(victim) for victim in self.victims]
        self._images = torch.stack([pool[torch.arange(count) % len(pool)] for pool in pools])
        self._size = (samples.images.shape[-2], samples.images.shape[-1])
        self.moved = [False] * len(self.victims)  # whether a class ever had a gradient
        self.broken = [False] * len(self.victims)  # whether one was NaN or infinite

    def run(self, on_step: Callable[[], None]) -> list[Generated]:
        """The triggers of all rounds and classes, in that order.

        Args:
            on_step: Called after each step.
        """
        previous: list[Tensor] = []
        found: list[Generated] = []
        for round_index in range(self.shape.schedule.rounds):
            values, features = self._round(round_index, previous, on_step)
            previous.append(self.shape.descriptor(values).detach())
            for place, victim in enumerate(self.victims):
                own = [each[place : place + 1] for each in values]
                found.append(
                    Generated(
                        victim=victim,
                        trigger=self.shape.trigger(own, self._size),
                        features=features[:, place],
                    )
                )
        return found

    def _round(
        self, round_index: int, previous: Sequence[Tensor], on_step: Callable[[], None]
    ) -> tuple[tuple[Tensor, ...], Float[Tensor, "checkpoints p f"]]:
        """The last values of one round, and the features on the way."""
        schedule, device = self.shape.schedule, self._images.device
        streams = [generator(self.seed, "sri", victim, round_index) for victim in self.victims]
        started = self.shape.start(streams, self._size)
        values = tuple(each.to(device).contiguous() for each in started)
        draws = torch.stack(
            [torch.rand(schedule.steps, NUM_DRAWS, generator=each) * 2 - 1 for each in streams]
        ).to(device)
        adam = RowAdam(values, learning_rate=schedule.learning_rate, betas=schedule.betas)
        width = self.shape.descriptor(values).shape[1]
        earlier = (
            torch.stack(list(previous))
            if previous
            else values[0].new_zeros(0, len(self.victims), width)
        )
        features = []
        for step in range(schedule.steps):
            losses = torch.cat(
                [
                    self._step(values, rows, adam, earlier, round_index, step, draws)
                    for rows in self._chunks()
                ]
            )
            if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == schedule.steps:
                with torch.no_grad():
                    features.append(torch.cat([losses[:, None], self.shape.features(values)], 1))
            on_step()
        return values, torch.stack(features)

    def _chunks(self) -> list[Int[Tensor, " p"]]:
        fits = max(1, pixels_per_call(self._images.device) * 3 // self._images[0].numel())
        rows = torch.arange(len(self.victims), device=self._images.device)
        return list(torch.split(rows, fits))

    def _step(
        self,
        values: Sequence[Tensor],
        rows: Int[Tensor, " p"],
        adam: RowAdam,
        earlier: Float[Tensor, "r k d"],
        round_index: int,
        step: int,
        draws: Float[Tensor, "k steps 4"],
    ) -> Float[Tensor, " p"]:
        """One step of some classes; gives their flip losses."""
        moment = Moment(round_index=round_index, step=step, draws=draws[rows, step])
        leaves = [each[rows].requires_grad_(True) for each in values]
        images = self._images[rows]
        stamped = self.shape.stamp(images, leaves, moment)
        logits = self.classifier(stamped.flatten(0, 1)).view(*images.shape[:2], -1)
        victims = torch.tensor(self.victims, device=images.device)[rows]
        flip = self.shape.flip_loss(logits.softmax(dim=2), victims, moment)
        pull = torch.autograd.grad(flip.sum(), leaves, retain_graph=True)
        push = torch.autograd.grad(
            self.shape.penalty(leaves, earlier[:, rows], moment).sum(), leaves
        )
        self._note(rows, pull)
        gradients = [torch.nan_to_num(one + other) for one, other in zip(pull, push, strict=True)]
        adam.step(rows, gradients)
        return flip.detach()

    def _note(self, rows: Int[Tensor, " p"], gradients: Sequence[Tensor]) -> None:
        """Remembers which classes the classifier gave a gradient."""
        for place, row in enumerate(rows.tolist()):
            total = sum(float(each[place].abs().sum()) for each in gradients)
            self.moved[row] |= 0 < total < float("inf")
            self.broken[row] |= not math.isfinite(total)
