"""The scanners' plain forms: every candidate by itself, all images, all steps, as peers' code does.

One candidate after another, torch's own Adam, the network as it was loaded (batch norms not folded,
images in torch's usual layout), backward through it as autograd does by itself. A filter's pools
and its SSIM over all windows of all images are taken in every step.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.abs.filters import AbsFilterScanner
from exray.scanners.abs.patches import AbsPatchScanner
from exray.scanners.base import Scanner
from exray.scanners.inversion.filters import Filters
from exray.scanners.inversion.initialization import Start
from exray.scanners.inversion.interfaces import (
    Candidate,
    InversionObjective,
    Parametrisation,
    StampedSet,
    View,
)
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.objectives import (
    BoundedChange,
    BoundedLead,
    CostSettings,
    DynamicCost,
)
from exray.scanners.inversion.patches import random_patches, square_patches, square_side
from exray.scanners.inversion.success import success
from exray.scanners.k_arm.scanner import KArm
from exray.scanners.neural_cleanse.anomaly_index import anomaly_indices
from exray.scanners.neural_cleanse.scanner import NeuralCleanse
from exray.scanners.sri.shape import NUM_DRAWS, Moment, UntargetedShape
from exray.scanners.sri.sri_re import SriRe
from exray.scanners.sri.trigger_search import majority_target
from exray.seeding import generator
from exray.triggers.base import InvertedTrigger, Trigger
from exray.triggers.filter import FilterTrigger, mixed, neighbourhoods
from exray.triggers.ssim import multi_scale_ssim

MIN_ASR = 0.9
# Neural Cleanse's plain form: its released cost and rate, all images in each of so many steps.
CLEANSE_STEPS = 300
CLEANSE_COST = CostSettings(
    asr_bar=0.99, first_cost=0.001, first_patience=5, patience=5, up=2.0, down=2.83
)
CLEANSE_ADAM = InversionSettings(learning_rate=0.1, betas=(0.5, 0.9), noise=0.0, seed=0)
K_ARM_STEPS = 100  # of each pair: about what its bandit gives the best ones


@dataclass(frozen=True, kw_only=True)
class Plain:
    """What the plain form found for one candidate."""

    candidate: Candidate
    trigger: Trigger | None
    asr: float
    size: float
    score: float = -torch.inf  # of the objective


@dataclass(frozen=True, kw_only=True)
class PlainScan:
    """What the plain form found for some candidates, and what all of them would take.

    Args:
        inversions: Of each candidate that was run.
        places: Which those are of all candidates.
        num_candidates: All of them.
        seconds: Of those that were run, scaled up to all.
    """

    inversions: tuple[Plain, ...]
    places: tuple[int, ...]
    num_candidates: int
    seconds: float

    @property
    def triggers(self) -> list[InvertedTrigger]:
        """Of pairs, those that reached an ASR of 0.9."""
        return [
            InvertedTrigger(
                trigger=inversion.trigger,
                victim_class=inversion.candidate.victims[0],
                target_class=inversion.candidate.target,
                asr=inversion.asr,
                target_probability=inversion.asr,
                source="reference",
            )
            for inversion in self.inversions
            if inversion.trigger is not None and inversion.asr >= MIN_ASR
        ]


Invert = Callable[[Candidate], Plain]


def invert_alone(
    classifier: Classifier,
    candidate: Candidate,
    images: Tensor,
    *,
    shape: Parametrisation,
    objective: InversionObjective,
    settings: InversionSettings,
    steps: int,
) -> Plain:
    """One candidate's trigger, the best state that met its objective's bar."""
    leaves = [parameter.clone().requires_grad_(True) for parameter in shape.parameters]
    adam = torch.optim.Adam(leaves, lr=settings.learning_rate, betas=settings.betas)
    stream = generator(settings.seed, "reference")
    target = torch.tensor([candidate.target])
    best, best_leaves = -torch.inf, [leaf.detach().clone() for leaf in leaves]
    for _ in range(steps):
        noise = settings.noise * (2 * torch.rand(images.shape, generator=stream) - 1)
        stamped = shape.stamp(shape.prepared((images + noise).clamp(0, 1))[None], leaves)
        logits = classifier(stamped.images[0])[None]
        view = View(
            rows=torch.zeros(1, dtype=torch.long),
            logits=logits,
            targets=target,
            activation=torch.zeros(1),
            stamped=stamped,
        )
        adam.zero_grad()
        objective.loss(view).sum().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            asr, probability = success(logits, target)
            score = float(objective.score(view, asr, probability))
            if score > best:
                best, best_leaves = score, [leaf.detach().clone() for leaf in leaves]
            objective.after_step(view, asr)
        adam.step()
    if best == -torch.inf:
        return Plain(candidate=candidate, trigger=None, asr=0.0, size=torch.inf)
    return _measured(classifier, candidate, images, shape.trigger(best_leaves), best)


def _measured(
    classifier: Classifier, candidate: Candidate, images: Tensor, trigger: Trigger, score: float
) -> Plain:
    """A candidate's trigger with its ASR and size."""
    logits = classifier.predict(trigger.apply(images))[None].double()
    return Plain(
        candidate=candidate,
        trigger=trigger,
        asr=float(success(logits, torch.tensor([candidate.target]))[0]),
        size=float(trigger.size_pixels),
        score=score,
    )


def every_candidate(scanner: Scanner, samples: SampleSet) -> list[Candidate]:
    """What the plain form tries: pairs, targets (K-Arm tries both) or victims, all of them."""
    present = [index for index, count in enumerate(samples.counts()) if count > 0]
    if isinstance(scanner, SriRe):
        return [Candidate(victims=(victim,), target=-1) for victim in present]
    targets = [
        Candidate(victims=tuple(v for v in present if v != target), target=target)
        for target in present
    ]
    if isinstance(scanner, NeuralCleanse):
        return targets
    pairs = [Candidate(victims=(v,), target=t) for v in present for t in present if v != t]
    universal = isinstance(scanner, KArm) and scanner.universal is not None
    return pairs + targets if universal else pairs


def is_injected(
    scanner: Scanner, candidate: Candidate, injected: Sequence[tuple[int, int]]
) -> bool:
    """Whether a candidate has an injected trigger's target and, if it is a pair, its victim."""
    if isinstance(scanner, SriRe) and candidate.target < 0:
        return candidate.victims[0] in {victim for victim, _ in injected}
    universal = isinstance(scanner, NeuralCleanse)
    return any(
        candidate.target == target and (universal or victim in candidate.victims)
        for victim, target in injected
    )


def is_found(scanner: Scanner, inversion: Plain, inversions: Sequence[Plain]) -> bool:
    """Whether the method hands a trigger on: it works; Neural Cleanse's is odd in size, too."""
    if inversion.asr < MIN_ASR or not isinstance(scanner, NeuralCleanse):
        return inversion.asr >= MIN_ASR
    sized = [other for other in inversions if other.score > -torch.inf]
    if len(sized) < 3:
        return False
    indices = anomaly_indices([-other.score for other in sized])
    odd = dict(zip((other.candidate for other in sized), indices, strict=True))
    return odd[inversion.candidate] > scanner.anomaly_threshold


def plain_some(
    scanner: Scanner,
    classifier: Classifier,
    samples: SampleSet,
    injected: Sequence[tuple[int, int]],
    share: int,
) -> PlainScan:
    """The plain form of one in ``share`` candidates, the injected ones first.

    Neural Cleanse's is always run for all: what it says of a target rests on the others' sizes.
    """
    share = 1 if isinstance(scanner, NeuralCleanse) else share
    invert, every = plain_form(scanner, classifier, samples), every_candidate(scanner, samples)
    places = sorted(
        range(len(every)),
        # A fixed scatter after the injected ones.
        key=lambda at: (not is_injected(scanner, every[at], injected), at * 7919 % len(every)),
    )[: max(1, len(every) // share)]
    begun = perf_counter()
    inversions = tuple(invert(every[place]) for place in places)
    seconds = perf_counter() - begun
    return PlainScan(
        inversions=inversions,
        places=tuple(places),
        num_candidates=len(every),
        seconds=seconds * _victims(every) / _victims(every[place] for place in places),
    )


def _victims(candidates: Iterable[Candidate]) -> int:
    """Classes whose images are inverted on, which is what candidates cost."""
    return sum(len(candidate.victims) for candidate in candidates)


def plain_form(scanner: Scanner, classifier: Classifier, samples: SampleSet) -> Invert:
    """How a scanner's plain form inverts one candidate."""
    if isinstance(scanner, SriRe):
        return lambda candidate: _untargeted(scanner, classifier, samples, candidate)

    def invert(candidate: Candidate) -> Plain:
        images = torch.cat([samples.of_class(victim) for victim in candidate.victims])
        shape, objective, settings, steps = _parts(scanner, candidate, images)
        return invert_alone(
            classifier,
            candidate,
            images,
            shape=shape,
            objective=objective,
            settings=settings,
            steps=steps,
        )

    return invert


def _parts(
    scanner: Scanner, candidate: Candidate, images: Tensor
) -> tuple[Parametrisation, InversionObjective, InversionSettings, int]:
    """What is optimised, what for, how and for how many steps."""
    height, width = images.shape[-2:]
    size, area = (height, width), height * width
    if isinstance(scanner, AbsPatchScanner):
        bound = scanner.patch.max_size_share * area
        lead = BoundedLead(max_pixels=bound, neuron_weight=0.0)
        steps = sum(stage.steps for stage in scanner.rounds)
        return centred_squares([candidate], bound, size), lead, scanner.inversion, steps
    if isinstance(scanner, AbsFilterScanner):
        window = scanner.filter.window(size)
        shape = PlainFilters(Filters(1, window=window, image_size=size, device=images.device))
        steps = sum(stage.steps for stage in scanner.rounds)
        change = BoundedChange(min_ssim=scanner.filter.min_ssim)
        return shape, change, scanner.inversion, steps
    if isinstance(scanner, NeuralCleanse):
        cost = DynamicCost(CLEANSE_COST, num_candidates=1, device=images.device)
        seed = CLEANSE_ADAM.seed
        drawn = random_patches([candidate], image_size=size, seed=seed, device=images.device)
        return drawn, cost, CLEANSE_ADAM, CLEANSE_STEPS
    assert isinstance(scanner, KArm)
    cost = DynamicCost(scanner.cost, num_candidates=1, device=images.device)
    several = scanner.universal if len(candidate.victims) > 1 else None
    bound = (several or scanner).max_size_share * area
    return centred_squares([candidate], bound, size), cost, scanner.inversion, K_ARM_STEPS


class PlainFilters(Parametrisation):
    """Filters whose pools and whole SSIM, all windows of all images, are taken in every step.

    Args:
        filters: Where the kernels begin, and what they become.
    """

    def __init__(self, filters: Filters) -> None:
        self._filters = filters

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Logits of the kernels."""
        return self._filters.parameters

    def prepared(self, images: Tensor) -> Tensor:
        """The images alone."""
        return images

    def stamp(self, prepared: Tensor, rows: Sequence[Tensor]) -> StampedSet:
        """The filtered images of one candidate, and what their SSIM lacks."""
        filtered = self._filters.trigger(rows)
        kernel = torch.tanh(rows[0][0])
        stamped = mixed(neighbourhoods(prepared[0], window=filtered.window), kernel)
        alike = multi_scale_ssim(prepared[0], stamped).mean()[None]
        changed = torch.full((1,), filtered.size_pixels)
        return StampedSet(
            images=stamped[None], size=1 - alike, measure=alike.detach(), counted=changed
        )

    def trigger(self, rows: Sequence[Tensor]) -> FilterTrigger:
        """The filter."""
        return self._filters.trigger(rows)


def centred_squares(
    candidates: Sequence[Candidate], bound: float, size: tuple[int, int]
) -> Parametrisation:
    """Squares in the centre of a random colour, as released."""
    side = square_side(bound)
    starts = []
    for candidate in candidates:
        stream = generator(0, "centred", *candidate.victims, candidate.target)
        red, green, blue = (0.02 + 0.96 * torch.rand(3, generator=stream)).tolist()
        top, left = (size[0] - side) // 2, (size[1] - side) // 2
        starts.append(Start(colour=(red, green, blue), top=top, left=left, lead=0.0))
    return square_patches(
        candidates,
        starts,
        side=side,
        image_size=size,
        pattern="colour",
        seed=0,
        device=torch.device("cpu"),
    )


def _untargeted(
    scanner: SriRe, classifier: Classifier, samples: SampleSet, candidate: Candidate
) -> Plain:
    """SRI's search of one class alone; of its patches and recolourings the one that flips most."""
    victim = candidate.victims[0]
    images = samples.of_class(victim)
    best = Plain(candidate=candidate, trigger=None, asr=0.0, size=torch.inf)
    for shape in scanner.shapes:
        for trigger in untargeted_alone(classifier, images, victim, shape, scanner.seed):
            logits = classifier.predict(trigger.apply(images))
            target = majority_target(logits, victim)
            asr = float((logits.argmax(dim=1) == target).double().mean())
            if asr > best.asr:
                named = Candidate(victims=(victim,), target=target)
                size = float(trigger.size_pixels)
                best = Plain(candidate=named, trigger=trigger, asr=asr, size=size)
    return best


def untargeted_alone(
    classifier: Classifier, images: Tensor, victim: int, shape: UntargetedShape, seed: int
) -> list[Trigger]:
    """All rounds and steps of one class: its hardened triggers."""
    schedule = shape.schedule
    seen = images[torch.arange(schedule.images_per_class) % len(images)][None]
    size = (images.shape[-2], images.shape[-1])
    triggers: list[Trigger] = []
    previous: list[Tensor] = []
    for index in range(schedule.rounds):
        stream = generator(seed, "sri", victim, index)
        leaves = [parameter.requires_grad_(True) for parameter in shape.start([stream], size)]
        draws = torch.rand(1, schedule.steps, NUM_DRAWS, generator=stream) * 2 - 1
        adam = torch.optim.Adam(leaves, lr=schedule.learning_rate, betas=schedule.betas)
        earlier = (
            torch.stack(previous)
            if previous
            else seen.new_zeros(0, *shape.descriptor(leaves).shape)
        )
        for step in range(schedule.steps):
            moment = Moment(round_index=index, step=step, draws=draws[:, step])
            logits = classifier(shape.stamp(seen, leaves, moment)[0])[None]
            flip = shape.flip_loss(logits.softmax(dim=2), torch.tensor([victim]), moment)
            adam.zero_grad()
            (flip + shape.penalty(leaves, earlier, moment)).sum().backward()  # type: ignore[no-untyped-call]
            adam.step()
        previous.append(shape.descriptor(leaves).detach())
        triggers.append(shape.trigger([leaf.detach() for leaf in leaves], size))
    return triggers
