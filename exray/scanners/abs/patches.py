"""ABS: stimulates neurons to find likely (victim, target) pairs, then inverts their triggers."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.abs.stimulation import Pointer, pick_candidates
from exray.scanners.base import Progress, Scanner, ScannerResult
from exray.scanners.inversion.initialization import ProbeSettings, Start, ranked_starts
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import EngineSettings, Inversion, StopRule
from exray.scanners.inversion.objectives import BoundedLead
from exray.scanners.inversion.patches import Pattern, square_patches, square_side
from exray.scanners.inversion.prescreen import PrescreenSettings, likely_pairs
from exray.scanners.inversion.restarts import best_of_restarts
from exray.scanners.inversion.rounds import InversionRound, Refinement, strongest
from exray.scanners.validation import nothing_to_scan, pixels_of, require_count, require_size_share


@dataclass(frozen=True, kw_only=True)
class StimulationSettings:
    """How neurons are stimulated.

    Args:
        layer: Rule or module path of the layer whose channels are stimulated.
        images_per_class: Images of each class.
        levels: Shares of the layer's greatest activation, the first of them 0.
        targets_per_victim: Pairs that are inverted for each victim class.

    Raises:
        ValueError: If the levels do not begin with 0 or a count is not positive.
    """

    layer: str
    images_per_class: int
    levels: tuple[float, ...]
    targets_per_victim: int

    def __post_init__(self) -> None:
        if len(self.levels) < 2 or self.levels[0] != 0:
            raise ValueError(
                f"levels must begin with 0 and hold another level; got {list(self.levels)}"
            )
        for name in ("images_per_class", "targets_per_victim"):
            require_count(f"{name}", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class PatchSettings:
    """What a patch may be.

    Args:
        max_size_share: Bound on the trigger's size as a share of the image's area.
        pattern: ``colour`` for one colour a trigger, ``free`` for one a pixel.
        neuron_weight: Weight of the stimulated channel's mean activation.

    Raises:
        ValueError: If the share lies outside (0, 1) or the pattern is unknown.
    """

    max_size_share: float
    pattern: Pattern
    neuron_weight: float

    def __post_init__(self) -> None:
        require_size_share("max_size_share", self.max_size_share)
        if self.pattern not in ("colour", "free"):
            raise ValueError(f"pattern must be colour or free; got {self.pattern!r}")


def stimulated(
    classifier: Classifier,
    samples: SampleSet,
    settings: StimulationSettings,
    prescreen: PrescreenSettings | None,
) -> tuple[SplitClassifier, list[Pointer]]:
    """The cut classifier and each victim's likeliest targets, of those the pre-screen keeps."""
    split = SplitClassifier.of(classifier, settings.layer, samples.images)
    likely = None
    if prescreen is not None:
        likely = set(likely_pairs(classifier, samples, prescreen))
    return split, pick_candidates(
        split,
        samples,
        images_per_class=settings.images_per_class,
        levels=settings.levels,
        targets_per_victim=settings.targets_per_victim,
        likely=likely,
    )


class StimulatedScanner(Scanner):
    """A scanner whose candidates come from one stimulation, which others can share."""

    stimulation: StimulationSettings
    prescreen: PrescreenSettings | None

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """Triggers within the bound that flip a victim's images to one target."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        split, pointers = stimulated(classifier, samples, self.stimulation, self.prescreen)
        return self.invert(split, samples, pointers, progress)

    @abstractmethod
    def invert(
        self,
        split: SplitClassifier,
        samples: SampleSet,
        pointers: Sequence[Pointer],
        progress: Progress | None = None,
    ) -> ScannerResult:
        """The scan after stimulation.

        Args:
            split: The classifier, cut at the stimulated layer.
            samples: Clean images.
            pointers: The pairs.
            progress: Told of each step.
        """


class AbsPatchScanner(StimulatedScanner):
    """ABS for patch triggers, as its TrojAI versions do it, with early rounds on few images.

    Args:
        stimulation: How candidates are picked.
        probe: How their starts are found, and which of them are worth inverting.
        patch: What a patch may be.
        inversion: How patches are optimised.
        rounds: First few images and steps for all candidates, then more for those that live.
        stop: When a candidate stops before its round is over.
        min_asr: ASR of the hardened trigger on all the victim's images from which it counts.
        triggers_per_victim: Strongest triggers kept of each victim class.
        prescreen: Leaves ABS the pairs that clean images point to; None tries all.
        restarts: Squares that each pair is started from, at different places, the best of them
            first; the best trigger counts and the others' agreement is kept.

    Source: ABS (Liu et al. 2019), TrojAI rounds 2 to 4 (facts, section 2.2). *Differs from the
    released code:* more targets a victim are tried and the hopeless dropped early; patches start
    from the best coloured square, not in the centre from a random colour; the target of a task is
    never switched; the best trigger within the bound is kept rather than the last.
    """

    name: ClassVar[str] = "abs"  # recorded as the triggers' source

    def __init__(
        self,
        *,
        stimulation: StimulationSettings,
        probe: ProbeSettings,
        patch: PatchSettings,
        inversion: EngineSettings,
        rounds: Sequence[InversionRound],
        stop: StopRule,
        min_asr: float,
        triggers_per_victim: int,
        prescreen: PrescreenSettings | None = None,
        restarts: int = 1,
    ) -> None:
        require_count("triggers_per_victim", triggers_per_victim)
        require_count("restarts", restarts)
        self.stimulation = stimulation
        self.probe = probe
        self.patch = patch
        self.inversion = inversion
        self.refine = Refinement(name=self.name, rounds=rounds, stop=stop, min_asr=min_asr)
        self.triggers_per_victim = triggers_per_victim
        self.prescreen = prescreen
        self.restarts = restarts

    def invert(
        self,
        split: SplitClassifier,
        samples: SampleSet,
        pointers: Sequence[Pointer],
        progress: Progress | None = None,
    ) -> ScannerResult:
        """The scan after stimulation."""
        inversion, leads = self.start(split, samples, pointers)
        alive: Sequence[int] = range(len(inversion.candidates))
        alive = self.refine.run(inversion, leads, alive=alive, progress=progress)
        found = self.refine.ranked(inversion, leads, alive=alive)
        found = best_of_restarts(found, restarts=self.restarts)
        triggers = strongest(found, self.triggers_per_victim)
        return ScannerResult(
            triggers=triggers,
            num_candidates=len(inversion.candidates),
            flags=bool(triggers),
            score=max((each.asr for each in triggers), default=0.0),
            inconclusive="" if triggers else inversion.trouble(),
        )

    def start(
        self, split: SplitClassifier, samples: SampleSet, pointers: Sequence[Pointer]
    ) -> tuple[Inversion, list[float]]:
        """Patches of the candidates that the probe finds worth it, and their squares' leads.

        Args:
            split: The classifier, cut at the stimulated layer.
            samples: Clean images.
            pointers: The pairs.
        """
        height, width = samples.images.shape[-2:]
        bound = pixels_of("patch.max_size_share", self.patch.max_size_share, (height, width))
        side = square_side(bound)
        candidates: list[Candidate] = []
        starts: list[Start] = []
        for victim in dict.fromkeys(victim for victim, _, _ in pointers):
            own = [(target, channel) for other, target, channel in pointers if other == victim]
            images, targets = samples.of_class(victim), [target for target, _ in own]
            found = ranked_starts(
                split, images, targets, side=side, settings=self.probe, count=self.restarts
            )
            ranked = sorted(zip(found, own, strict=True), key=lambda pair: -pair[0][0].lead)
            for several, (target, channel) in ranked[: self.probe.targets_per_victim]:
                starts += several
                candidates += [
                    Candidate(victims=(victim,), target=target, channel=channel, restart=restart)
                    for restart in range(len(several))
                ]
        patches = square_patches(
            candidates,
            starts,
            side=side,
            image_size=(height, width),
            pattern=self.patch.pattern,
            seed=self.inversion.seed,
            device=samples.images.device,
        )
        inversion = Inversion(
            split,
            candidates,
            [samples.of_class(each.victims[0]) for each in candidates],
            shape=patches,
            objective=BoundedLead(max_pixels=bound, neuron_weight=self.patch.neuron_weight),
            settings=self.inversion,
        )
        return inversion, [start.lead for start in starts]
