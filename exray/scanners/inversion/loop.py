"""The inversion loop: optimises many candidate triggers at once, of any kind and objective."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.models.splitting.split_classifier import SplitClassifier
from exray.optim import RowAdam
from exray.scanners.inversion.batching import Stack, fastest_layout, in_even_parts, pixels_per_call
from exray.scanners.inversion.best_states import BestStates, StopRule
from exray.scanners.inversion.gradient_check import GradientCheck
from exray.scanners.inversion.interfaces import Candidate, InversionObjective, Parametrisation, View
from exray.scanners.inversion.success import success
from exray.seeding import derive_seed
from exray.triggers.base import Trigger

_NUM_NOISES = 16  # draws of noise, which each candidate uses cyclically by its own step count


@dataclass(frozen=True, kw_only=True)
class InversionSettings:
    """Optimisation settings shared by all candidates.

    Args:
        learning_rate: Adam's.
        betas: Adam's.
        noise: Greatest change of a pixel by the noise added in each step.
        seed: Of the noise.

    Raises:
        ValueError: If a number is out of its range.
    """

    learning_rate: float
    betas: tuple[float, float]
    noise: float
    seed: int

    def __post_init__(self) -> None:
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate!r}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers in [0, 1); got {list(self.betas)}")
        if not 0 <= self.noise < 1:
            raise ValueError(f"noise must lie in [0, 1); got {self.noise!r}")


class Inversion:
    """Optimises triggers for all candidates; no candidate depends on its batch mates.

    A plain loop rather than a trainer: one step is one forward pass of images x candidates in
    chunks that fit the memory budget, with Adam's state and step count per candidate. The best
    state that meets the objective's own constraint is kept, not the last.

    Args:
        split: The classifier, cut at the layer whose channels the objective may weigh.
        candidates: The triggers to look for.
        pools: Images of each candidate's victims.
        shape: The parametrisation, one row per candidate.
        objective: Loss and score.
        settings: Optimisation settings.

    Source: the common part of ABS, Neural Cleanse and K-Arm (facts, sections 2, 3, 5).
    """

    def __init__(
        self,
        split: SplitClassifier,
        candidates: Sequence[Candidate],
        pools: Sequence[Float[Tensor, "_ 3 h w"]],
        *,
        shape: Parametrisation,
        objective: InversionObjective,
        settings: InversionSettings,
    ) -> None:
        self.split = split
        self.candidates = tuple(candidates)
        self.pools = tuple(pools)
        self.shape = shape
        self.objective = objective
        self.settings = settings
        device = shape.parameters[0].device
        self._targets = torch.tensor(
            [candidate.target for candidate in self.candidates], device=device
        )
        self._channels = torch.tensor(
            [candidate.channel for candidate in self.candidates], device=device
        )
        self._adam = RowAdam(shape.parameters, lr=settings.learning_rate, betas=settings.betas)
        self._best = BestStates(shape.parameters)
        self._gradients = GradientCheck(len(self.candidates), device)
        self._noise = torch.empty(0, device=device)
        self._stack = Stack()
        self._layout = fastest_layout(split, self.pools[0])
        self.last_asr = torch.zeros(len(self.candidates), device=device)
        self.image_passes = 0  # images that went forward and backward

    @property
    def steps(self) -> Int[Tensor, " candidates"]:
        """Number of steps per candidate."""
        return self._adam.steps

    @property
    def best_score(self) -> Float[Tensor, " candidates"]:
        """Best score per candidate since scores were last forgotten; -inf without any."""
        return self._best.score

    @property
    def peak_score(self) -> Float[Tensor, " candidates"]:
        """Best score per candidate ever."""
        return torch.maximum(self._best.peak_score, self._best.score)

    def run(
        self,
        steps: int,
        *,
        alive: Sequence[int],
        images_per_step: int,
        stop: StopRule | None = None,
        on_step: Callable[[], None] | None = None,
    ) -> None:
        """Optimises some candidates, each until it is stopped.

        Args:
            steps: Maximum number of Adam steps.
            alive: Indices of the candidates to optimise.
            images_per_step: Images per candidate and step, taken cyclically if there are fewer.
            stop: Stops a candidate early.
            on_step: Called after each step, those saved by early stopping included.
        """
        batch = self._batches(alive, images_per_step)
        live, no_noise = list(alive), self.settings.noise == 0
        for _ in range(steps):
            for part in self._chunks(live, batch):
                images = self._stack.of([batch[place] for place in part], reuse=no_noise)
                self._step(part, images, 0.0 if stop is None else stop.gain)
            if stop is not None:
                live = [place for place in live if not self._best.is_finished(place, stop)]
            if on_step is not None:
                on_step()

    def _batches(self, alive: Sequence[int], count: int) -> dict[int, Tensor]:
        """The images of each candidate, prepared once for all candidates of the same victims."""
        prepared: dict[tuple[int, ...], Tensor] = {}
        batches: dict[int, Tensor] = {}
        for place in alive:
            victims = self.candidates[place].victims
            if victims not in prepared:
                indices = torch.arange(count) % len(self.pools[place])
                prepared[victims] = self.shape.prepared(self.pools[place][indices])
            batches[place] = prepared[victims]
        return batches

    def _chunks(self, live: Sequence[int], batch: dict[int, Tensor]) -> list[list[int]]:
        """Candidates that go through the network together, by the memory budget."""
        if not live:
            return []
        images = batch[live[0]]
        return in_even_parts(live, max(1, pixels_per_call(images.device) // images[:, 0].numel()))

    def _step(
        self, places: Sequence[int], images: Float[Tensor, "p m c h w"], min_gain: float
    ) -> None:
        """One step of one chunk."""
        rows = torch.tensor(places, device=images.device)
        leaves = [value[rows].requires_grad_(True) for value in self.shape.parameters]
        view = self._view(rows, self._with_noise(images, rows), leaves)
        watched = [view.stamped.images] if self._gradients.needs_gradient(rows) else []
        gradients = torch.autograd.grad(self.objective.loss(view).sum(), [*leaves, *watched])
        self.image_passes += images.shape[0] * images.shape[1]
        with torch.no_grad():
            asr, probability = success(view.logits, view.targets)
            self.last_asr[rows] = asr
            is_finite = view.logits.isfinite().flatten(1).all(dim=1)
            self._gradients.update(rows, asr, is_finite, gradients[len(leaves) :])
            score = self.objective.score(view, asr, probability)
            score = torch.where(is_finite, score, -torch.inf)
            self._best.update(rows, score, leaves, min_gain=min_gain)
            self.objective.after_step(view, asr)
        gradients = gradients[: len(leaves)]
        self._adam.step_rows(rows, [torch.nan_to_num(g, 0.0, 0.0, 0.0) for g in gradients])

    def _view(
        self,
        rows: Int[Tensor, " p"],
        images: Float[Tensor, "p m c h w"],
        values: Sequence[Tensor],
    ) -> View:
        """The forward pass of one chunk."""
        stamped = self.shape.stamp(images, values)
        inputs = stamped.images.flatten(0, 1).contiguous(memory_format=self._layout)
        features = self.split.features(inputs)
        logits = self.split.logits(features)
        maps = features.view(*images.shape[:2], *features.shape[1:])
        neuron = maps[torch.arange(len(rows)), :, self._channels[rows].cpu()]
        return View(
            rows=rows,
            logits=logits.view(*images.shape[:2], -1),
            targets=self._targets[rows],
            activation=neuron.flatten(1).mean(dim=1),
            stamped=stamped,
        )

    def _with_noise(
        self, images: Float[Tensor, "p m c h w"], rows: Int[Tensor, " p"]
    ) -> Float[Tensor, "p m c h w"]:
        """The images, changed in place by the noise of each candidate's own step."""
        if self.settings.noise == 0:
            return images
        if self._noise.shape[1:] != images.permute(0, 1, 3, 4, 2).shape[1:]:
            stream = torch.Generator().manual_seed(derive_seed(self.settings.seed, "noise"))
            draws = torch.rand(_NUM_NOISES, *images.shape[1:], generator=stream) * 2 - 1
            draws = (draws * self.settings.noise).permute(0, 1, 3, 4, 2)
            self._noise = draws.contiguous().to(images.device)
        noise = self._noise[self.steps[rows] % _NUM_NOISES].permute(0, 1, 4, 2, 3)
        return images.add_(noise).clamp_(0, 1)

    @torch.no_grad()
    def tried(self, place: int, values: Sequence[Tensor]) -> View:
        """A forward pass of several values of one candidate's parameters, on its whole pool.

        Args:
            place: Which candidate.
            values: Of each parameter, a row per try.
        """
        images = self.shape.prepared(self.pools[place])
        rows = torch.full((len(values[0]),), place, device=values[0].device)
        return self._view(rows, images.expand(len(rows), *images.shape), values)

    def forget_scores(self) -> None:
        """Forgets the scores, since those of the next images are not comparable."""
        self._best.forget_scores()

    def restart_from_best(self, places: Sequence[int], *, learning_rate: float) -> None:
        """Continues from best states, where there are any, with a fresh Adam.

        Args:
            places: Indices of the candidates.
            learning_rate: Adam's, of all candidates.
        """
        self._adam.forget(self._best.restore(self.shape.parameters, places))
        for group in self._adam.param_groups:
            group["lr"] = learning_rate

    def trigger(self, place: int) -> Trigger:
        """The hardened best trigger of a candidate."""
        return self.shape.trigger([value[place : place + 1] for value in self._best.values])

    def failure_reason(self) -> str:
        """Why finding no trigger would mean nothing; empty if every candidate was searched."""
        return self._gradients.failure_reason(self.steps)
