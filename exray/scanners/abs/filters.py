"""ABS for filter triggers: the same candidates, a kernel over the whole image for each."""

from collections.abc import Sequence
from statistics import mean
from typing import ClassVar

from exray.images.samples import SampleSet
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.abs.patches import StimulatedScanner, StimulationSettings
from exray.scanners.abs.stimulation import Pointer
from exray.scanners.base import Progress, ScannerResult
from exray.scanners.inversion.filters import Filters, FilterSettings, filter_ssim, restart_shifts
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import EngineSettings, Inversion, StopRule
from exray.scanners.inversion.objectives import BoundedChange
from exray.scanners.inversion.prescreen import PrescreenSettings
from exray.scanners.inversion.restarts import best_of_restarts
from exray.scanners.inversion.rounds import InversionRound, Refinement, strongest
from exray.scanners.inversion.universal import interleaved, most_flipped
from exray.scanners.validation import present_classes, require_count
from exray.triggers.base import InvertedTrigger


class AbsFilterScanner(StimulatedScanner):
    """ABS for filter triggers, label-specific and universal, within a bound on their SSIM.

    A universal filter is searched on images of all other classes in turn, for every target that
    its label-specific ones make likely: it is one of those of each pair, so that where they fell
    short of its first bar on average, it will. One that flips ``min_asr`` of all images is handed
    on with the victim that it flips most, beside that victim's label-specific ones.

    Args:
        stimulation: How candidates are picked.
        filter: What a filter may be.
        inversion: How kernels are optimised; without noise, since pools are computed once.
        rounds: First few images and steps for all pairs, then more for those that live.
        universal_rounds: The same for the universal filters; none searches for none.
        stop: When a candidate stops before its round is over.
        min_asr: ASR on all the victim's images from which a trigger counts.
        triggers_per_victim: Strongest triggers kept of each victim class.
        prescreen: Leaves ABS the pairs that clean images point to; None tries all.
        restarts: Kernels that each pair is started from, the first next to the identity and the
            others near it; the best filter counts and the others' agreement is kept.

    Raises:
        ValueError: If a setting is out of range or the inversion adds noise.

    Source: ABS, section 4; EX-RAY's code (facts, sections 2.1 and 2.3). *Differs from the
    released code:* weights may be negative; the best filter within the bound is kept.
    """

    name: ClassVar[str] = "abs_filter"  # recorded as the triggers' source

    def __init__(
        self,
        *,
        stimulation: StimulationSettings,
        filter: FilterSettings,  # noqa: A002  # the yaml's word
        inversion: EngineSettings,
        rounds: Sequence[InversionRound],
        universal_rounds: Sequence[InversionRound],
        stop: StopRule,
        min_asr: float,
        triggers_per_victim: int,
        prescreen: PrescreenSettings | None = None,
        restarts: int = 1,
    ) -> None:
        require_count("triggers_per_victim", triggers_per_victim)
        require_count("restarts", restarts)
        if inversion.noise != 0:
            raise ValueError(
                "inversion.noise must be 0 for filters, whose neighbourhoods are "
                f"computed once; got {inversion.noise}"
            )
        self.stimulation = stimulation
        self.filter = filter
        self.inversion = inversion
        self.refine = Refinement(name=self.name, rounds=rounds, stop=stop, min_asr=min_asr)
        self.refine_universal = (
            Refinement(name=self.name, rounds=universal_rounds, stop=stop, min_asr=min_asr)
            if universal_rounds
            else None
        )
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
        pairs = [
            Candidate(victims=(victim,), target=target, channel=channel, restart=restart)
            for victim, target, channel in pointers
            for restart in range(self.restarts)
        ]
        inversion = self.start(split, samples, pairs)
        found = self._label_specific(inversion, samples, progress)
        num_candidates, trouble = len(pairs), inversion.trouble()
        targets: list[Candidate] = []
        if self.refine_universal is not None:
            bar = self.refine_universal.rounds[0].min_score
            targets = within_reach(universal_candidates(samples), inversion, bar)
        if self.refine_universal is not None and targets:
            inversion = self.start(split, samples, targets)
            found += self._universal(self.refine_universal, inversion, samples, progress)
            num_candidates, trouble = num_candidates + len(targets), trouble or inversion.trouble()
        return ScannerResult(
            triggers=tuple(sorted(found, key=lambda each: (-each.asr, -each.target_probability))),
            num_candidates=num_candidates,
            flags=bool(found),
            score=max((each.asr for each in found), default=0.0),
            inconclusive="" if found else trouble,
        )

    def start(
        self, split: SplitClassifier, samples: SampleSet, candidates: Sequence[Candidate]
    ) -> Inversion:
        """Filters of all candidates, next to the identity.

        Args:
            split: The classifier, cut at the stimulated layer.
            samples: Clean images.
            candidates: Pairs, or targets with all their victims.
        """
        height, width = samples.images.shape[-2:]
        return Inversion(
            split,
            candidates,
            [interleaved([samples.of_class(v) for v in each.victims]) for each in candidates],
            shape=Filters(
                len(candidates),
                window=self.filter.window((height, width)),
                image_size=(height, width),
                device=samples.images.device,
                shifts=restart_shifts(candidates, seed=self.inversion.seed),
            ),
            objective=BoundedChange(min_ssim=self.filter.min_ssim),
            settings=self.inversion,
        )

    def _label_specific(
        self, inversion: Inversion, samples: SampleSet, progress: Progress | None
    ) -> list[InvertedTrigger]:
        """The strongest of each victim that keep the bound on all its images."""
        even = [0.0] * len(inversion.candidates)
        alive = self.refine.run(inversion, even, alive=range(len(even)), progress=progress)
        found = self.refine.ranked(inversion, even, alive=alive)
        found = best_of_restarts(self.within(found, samples), restarts=self.restarts)
        return list(strongest(found, self.triggers_per_victim))

    def _universal(
        self,
        refine: Refinement,
        inversion: Inversion,
        samples: SampleSet,
        progress: Progress | None,
    ) -> list[InvertedTrigger]:
        """Those that flip all victims' images together, each with the victim it flips most."""
        even = [0.0] * len(inversion.candidates)
        alive = refine.run(inversion, even, alive=range(len(even)), progress=progress)
        found = []
        for place in alive:
            if inversion.measure(place).asr >= refine.min_asr:
                trigger = most_flipped(inversion, place, samples, source=self.name)
                if filter_ssim(trigger, inversion.pools[place]) >= self.filter.min_ssim:
                    found.append(trigger)
        return found

    def within(
        self, triggers: Sequence[InvertedTrigger], samples: SampleSet
    ) -> list[InvertedTrigger]:
        """The triggers that keep the bound on all images of their victims."""
        return [
            each
            for each in triggers
            if filter_ssim(each, samples.of_class(each.victim_class)) >= self.filter.min_ssim
        ]


def universal_candidates(samples: SampleSet) -> list[Candidate]:
    """Every class that has images as the target of all others; none where they are two.

    Args:
        samples: Clean images.
    """
    present = present_classes(samples)
    return [
        Candidate(victims=tuple(victim for victim in present if victim != target), target=target)
        for target in present
        if len(present) > 2
    ]


def within_reach(universal: Sequence[Candidate], pairs: Inversion, bar: float) -> list[Candidate]:
    """The universal candidates whose target's pairs came up to a score on average.

    Args:
        universal: All of them; one without any pair is left in.
        pairs: The inversion of the pairs, when it is over.
        bar: The score, ASR plus mean target probability.
    """
    scores: dict[int, list[float]] = {}
    peaks = pairs.peak_score.maximum(pairs.best_score).clamp(min=0).tolist()
    for candidate, peak in zip(pairs.candidates, peaks, strict=True):
        scores.setdefault(candidate.target, []).append(peak)
    return [
        each for each in universal if each.target not in scores or mean(scores[each.target]) >= bar
    ]
