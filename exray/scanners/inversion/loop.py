"""One inversion loop that many candidates share, whatever they optimise and for what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.models.splitting.split_classifier import SplitClassifier
from exray.optim import RowAdam
from exray.scanners.inversion.batching import Stack, fastest_layout, in_even_parts, pixels_per_call
from exray.scanners.inversion.interfaces import Candidate, InversionObjective, Parametrisation, View
from exray.scanners.inversion.success import success
from exray.seeding import derive_seed
from exray.triggers.base import InvertedTrigger, Trigger

_NOISES = 16  # draws of noise; a candidate takes them in turn by its own count of steps


@dataclass(frozen=True, kw_only=True)
class TriggerQuality:
    """A hardened trigger with what it does to all images of its victims.

    Args:
        trigger: The trigger.
        asr: Attack success rate, a fraction.
        probability: Mean probability of the target.
    """

    trigger: Trigger
    asr: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How all candidates are optimised.

    Args:
        learning_rate: Adam's.
        betas: Adam's.
        noise: Greatest change of a pixel by the noise added in each step.
        seed: Of the noise.
    """

    learning_rate: float
    betas: tuple[float, float]
    noise: float
    seed: int

    def __post_init__(self) -> None:
        if isinstance(self.learning_rate, str) or not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate!r}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers in [0, 1); got {list(self.betas)}")
        if isinstance(self.noise, str) or not 0 <= self.noise < 1:
            raise ValueError(f"noise must lie in [0, 1); got {self.noise!r}")


@dataclass(frozen=True, kw_only=True)
class StopRule:
    """When a candidate stops before its steps are over.

    Args:
        good_score: Score from which it may stop.
        patience: Steps in a row without a gain of ``gain`` after which it does.
        gain: Least gain that counts.
    """

    good_score: float
    patience: int
    gain: float

    def __post_init__(self) -> None:
        if not isinstance(self.patience, int) or self.patience < 1:
            raise ValueError(f"patience must be >= 1; got {self.patience!r}")


class Inversion:
    """Optimises triggers for all candidates; none depends on its batch mates.

    A plain loop rather than a trainer: one step is one forward pass of images x candidates in
    chunks that fit the memory budget, with Adam's state and step count kept for each candidate.
    The best state that meets the objective's own bar is kept, not the last.

    Args:
        split: The classifier, cut at the layer whose channels the objective may weigh.
        candidates: What to look for.
        pools: Images of each candidate's victims.
        shape: What is optimised.
        objective: What for.
        settings: The optimisation's numbers.

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
        settings: EngineSettings,
    ) -> None:
        self.split = split
        self.candidates = tuple(candidates)
        self.pools = tuple(pools)
        self.shape = shape
        self.objective = objective
        self.settings = settings
        device = shape.parameters[0].device
        self._targets = torch.tensor([each.target for each in self.candidates], device=device)
        self._channels = torch.tensor([each.channel for each in self.candidates], device=device)
        self._adam = RowAdam(shape.parameters, lr=settings.learning_rate, betas=settings.betas)
        self.best_score = torch.full((len(self.candidates),), -torch.inf, device=device)
        self.peak_score = self.best_score.clone()  # before scores were last forgotten
        self._best = [each.clone() for each in shape.parameters]
        self._idle = torch.zeros(len(self.candidates), dtype=torch.long, device=device)
        self._moved = torch.zeros(len(self.candidates), dtype=torch.bool, device=device)
        self._broken = torch.zeros_like(self._moved)
        self._noise = torch.empty(0, device=device)
        self._stack = Stack()
        self._layout = fastest_layout(split, self.pools[0])
        self.last_asr = torch.zeros(len(self.candidates), device=device)
        self.image_passes = 0  # images that went forward and backward

    @property
    def steps(self) -> Int[Tensor, " candidates"]:
        """Steps that each candidate has done."""
        return self._adam.steps

    def run(
        self,
        steps: int,
        *,
        alive: Sequence[int],
        images_per_step: int,
        stop: StopRule | None = None,
        on_step: Callable[[], None] | None = None,
    ) -> None:
        """Optimises the candidates in ``alive`` for some steps, each until it stops.

        Args:
            steps: Adam steps at most.
            alive: Places of the candidates to go on with.
            images_per_step: Images each of them sees in a step, gone round where it has fewer.
            stop: Ends a candidate early.
            on_step: Called after each step, those saved by stopping early included.
        """
        batch = self._batches(alive, images_per_step)
        live, still = list(alive), self.settings.noise == 0
        for _ in range(steps):
            for part in self._chunks(live, batch):
                images = self._stack.of([batch[place] for place in part], reuse=still)
                self._step(part, images, stop)
            if stop is not None:
                live = [place for place in live if not self._stopped(place, stop)]
            if on_step is not None:
                on_step()

    def _batches(self, alive: Sequence[int], count: int) -> dict[int, Tensor]:
        """The images of each candidate, prepared once for all of the same victims."""
        prepared: dict[tuple[int, ...], Tensor] = {}
        batches: dict[int, Tensor] = {}
        for place in alive:
            victims = self.candidates[place].victims
            if victims not in prepared:
                turns = torch.arange(count) % len(self.pools[place])
                prepared[victims] = self.shape.prepared(self.pools[place][turns])
            batches[place] = prepared[victims]
        return batches

    def _chunks(self, live: Sequence[int], batch: dict[int, Tensor]) -> list[list[int]]:
        """Candidates that go through the network together, by the memory budget."""
        if not live:
            return []
        one = batch[live[0]]
        return in_even_parts(live, max(1, pixels_per_call(one.device) // one[:, 0].numel()))

    def _step(
        self, places: Sequence[int], images: Float[Tensor, "p m c h w"], stop: StopRule | None
    ) -> None:
        """One step of one chunk."""
        rows = torch.tensor(places, device=images.device)
        leaves = [each[rows].requires_grad_(True) for each in self.shape.parameters]
        view = self._view(rows, self._noisy(images, rows), leaves)
        watched = [] if bool(self._moved[rows].all()) else [view.stamped.images]
        found = torch.autograd.grad(self.objective.loss(view).sum(), [*leaves, *watched])
        gradients = found[: len(leaves)]
        self.image_passes += images.shape[0] * images.shape[1]
        with torch.no_grad():
            asr, probability = success(view.logits, view.targets)
            self.last_asr[rows] = asr
            finite = view.logits.isfinite().flatten(1).all(dim=1)
            self._broken[rows] |= ~finite
            for pull in found[len(leaves) :]:
                self._moved[rows] |= (asr > 0) | (pull.flatten(1) != 0).any(dim=1)
            score = self.objective.score(view, asr, probability)
            score = torch.where(finite, score, -torch.inf)
            self._keep_best(rows, score, leaves, stop)
            self.objective.after_step(view, asr)
        self._adam.step_rows(rows, [torch.nan_to_num(each, 0.0, 0.0, 0.0) for each in gradients])

    def _view(
        self,
        rows: Int[Tensor, " p"],
        images: Float[Tensor, "p m c h w"],
        values: Sequence[Tensor],
    ) -> View:
        stamped = self.shape.stamp(images, values)
        through = stamped.images.flatten(0, 1).contiguous(memory_format=self._layout)
        features = self.split.features(through)
        logits: Tensor = self.split.head(features)
        maps = features.view(*images.shape[:2], *features.shape[1:])
        neuron = maps[torch.arange(len(rows)), :, self._channels[rows].cpu()]
        return View(
            rows=rows,
            logits=logits.view(*images.shape[:2], -1),
            targets=self._targets[rows],
            activation=neuron.flatten(1).mean(dim=1),
            stamped=stamped,
        )

    def _noisy(
        self, images: Float[Tensor, "p m c h w"], rows: Int[Tensor, " p"]
    ) -> Float[Tensor, "p m c h w"]:
        """The images, changed in place by the noise of each candidate's own step."""
        if self.settings.noise == 0:
            return images
        if self._noise.shape[1:] != images.permute(0, 1, 3, 4, 2).shape[1:]:
            stream = torch.Generator().manual_seed(derive_seed(self.settings.seed, "noise"))
            draws = torch.rand(_NOISES, *images.shape[1:], generator=stream) * 2 - 1
            draws = (draws * self.settings.noise).permute(0, 1, 3, 4, 2)
            self._noise = draws.contiguous().to(images.device)
        noise = self._noise[self.steps[rows] % _NOISES].permute(0, 1, 4, 2, 3)
        return images.add_(noise).clamp_(0, 1)

    def _keep_best(
        self,
        rows: Int[Tensor, " p"],
        score: Float[Tensor, " p"],
        values: Sequence[Tensor],
        stop: StopRule | None,
    ) -> None:
        """Keeps states that beat the best so far; counts steps without a gain worth it."""
        gain = 0.0 if stop is None else stop.gain
        gained = score > self.best_score[rows] + gain
        self._idle[rows] = torch.where(gained, 0, self._idle[rows] + 1)
        better = score > self.best_score[rows]
        self.best_score[rows[better]] = score[better]
        for kept, value in zip(self._best, values, strict=True):
            kept[rows[better]] = value.detach()[better]

    def _stopped(self, place: int, stop: StopRule) -> bool:
        good = float(self.best_score[place]) >= stop.good_score
        return good and int(self._idle[place]) >= stop.patience

    def forget_scores(self) -> None:
        """Lets states be measured afresh, since the next images differ from the last."""
        self.peak_score = torch.maximum(self.peak_score, self.best_score)
        self.best_score.fill_(-torch.inf)
        self._idle.zero_()

    def go_back(self, places: Sequence[int], *, learning_rate: float) -> None:
        """Lets candidates go on from their best states, where they met the bar, at another rate."""
        found = [place for place in places if float(self.best_score[place]) > -torch.inf]
        rows = torch.tensor(found, dtype=torch.long, device=self.best_score.device)
        for value, best in zip(self.shape.parameters, self._best, strict=True):
            value[rows] = best[rows]
        self._adam.forget(rows)
        for group in self._adam.param_groups:
            group["lr"] = learning_rate

    def trouble(self) -> str:
        """Why finding nothing would say nothing; empty where every candidate could be searched."""
        broken = int(self._broken.sum())
        still = int(((self.steps > 0) & ~self._moved).sum())
        whole = len(self.candidates)
        if broken:
            return f"the classifier returned NaN or infinity in {broken} of {whole} inversions"
        without = f"the classifier has no gradient in {still} of {whole} inversions"
        why = "its answers are saturated, or the same for everything"
        return f"{without}: {why}" if still else ""

    def trigger(self, place: int) -> Trigger:
        """The hardened best trigger of a candidate."""
        return self.shape.trigger([each[place : place + 1] for each in self._best])

    def measure(self, place: int) -> TriggerQuality:
        """How well the hardened best trigger works on *all* images of its victims."""
        trigger, target = self.trigger(place), self._targets[place : place + 1]
        logits = self.split.classifier.predict(trigger.apply(self.pools[place]))
        logits = logits[None].double()  # in float32 nine of ten are less than 0.9
        asr, probability = success(logits, target)
        return TriggerQuality(trigger=trigger, asr=float(asr), probability=float(probability))

    def inverted(self, place: int, *, source: str) -> InvertedTrigger:
        """The hardened best trigger of a candidate, as scanners hand it on."""
        measured, candidate = self.measure(place), self.candidates[place]
        return InvertedTrigger(
            trigger=measured.trigger,
            victim_class=candidate.victims[0],
            target_class=candidate.target,
            asr=measured.asr,
            target_probability=measured.probability,
            source=source,
        )
