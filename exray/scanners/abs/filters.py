"""ABS for filter triggers: the same candidates, with a kernel over the whole image."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import ClassVar

from exray.images.samples import SampleSet
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.abs.base import StimulatedScanner
from exray.scanners.abs.stimulation import StimulatedPair, StimulationSettings
from exray.scanners.base import Progress, ScannerResult
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.filters import Filters, FilterSettings, filter_ssim, restart_shifts
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import Inversion, InversionSettings
from exray.scanners.inversion.measurement import by_success, measure_candidate, most_flipped
from exray.scanners.inversion.objectives import BoundedChange
from exray.scanners.inversion.prescreen import PrescreenSettings
from exray.scanners.inversion.restarts import best_of_restarts
from exray.scanners.inversion.rounds import InversionRound, Refinement, strongest
from exray.scanners.inversion.universal import pool_of, universal_candidate
from exray.scanners.validation import present_classes, require_count
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class AbsFilterScanner(StimulatedScanner):
    """ABS for filter triggers, label-specific and universal, within a bound on their SSIM.

    A universal filter is searched on images of all other classes in turn, for every target whose
    label-specific filters make it likely: a universal filter would serve each of its pairs, so if
    the pairs on average fell short of its first minimum score, it will, too. A universal filter
    that flips ``min_asr`` of all images is reported with the victim that it flips most, beside
    that victim's label-specific ones.

    Args:
        stimulation: How candidates are picked.
        filter: Constraints on a filter.
        inversion: Optimisation settings; without noise, since neighbourhoods are computed once.
        rounds: First few images and steps for all pairs, then more for the survivors.
        universal_rounds: The same for the universal filters; none searches for none.
        stop: When a candidate is stopped before its round is over.
        min_asr: ASR on all the victim's images from which a trigger counts.
        triggers_per_victim: Maximum number of label-specific triggers per victim class.
        prescreen: Restricts ABS to the pairs that clean images point to; None tries all.
        restarts: Number of kernels that each pair is started from, the first next to the identity
            and the others near it; the best filter counts and the others' agreement is recorded.

    Raises:
        ValueError: If a setting is out of range or the inversion adds noise.

    Source: ABS, section 4; EX-RAY's code (facts, sections 2.1 and 2.3). *Differs from the
    released code:* weights may be negative; the best filter within the bound is kept.
    """

    name: ClassVar[str] = "abs_filter"  # recorded as the triggers' source

    stimulation: StimulationSettings
    filter: FilterSettings
    inversion: InversionSettings
    rounds: Sequence[InversionRound]
    universal_rounds: Sequence[InversionRound]
    stop: StopRule
    min_asr: float
    triggers_per_victim: int
    prescreen: PrescreenSettings | None = None
    restarts: int = 1

    def __post_init__(self) -> None:
        require_count("triggers_per_victim", self.triggers_per_victim)
        require_count("restarts", self.restarts)
        if self.inversion.noise != 0:
            raise ValueError(
                "inversion.noise must be 0 for filters, whose neighbourhoods are computed once; "
                f"got {self.inversion.noise}"
            )
        _ = self.refinement  # checks rounds and min_asr

    @property
    def refinement(self) -> Refinement:
        """The rounds of the label-specific filters."""
        return self._refinement(self.rounds)

    @property
    def universal_refinement(self) -> Refinement | None:
        """The rounds of the universal filters; None if none are searched."""
        return self._refinement(self.universal_rounds) if self.universal_rounds else None

    def _refinement(self, rounds: Sequence[InversionRound]) -> Refinement:
        return Refinement(name=self.name, rounds=rounds, stop=self.stop, min_asr=self.min_asr)

    def invert(
        self,
        split: SplitClassifier,
        samples: SampleSet,
        pairs: Sequence[StimulatedPair],
        progress: Progress | None = None,
    ) -> ScannerResult:
        """The scan after stimulation."""
        candidates = [
            Candidate(
                victims=(pair.victim,), target=pair.target, channel=pair.channel, restart=restart
            )
            for pair in pairs
            for restart in range(self.restarts)
        ]
        inversion = self.start(split, samples, candidates)
        triggers = self._label_specific(inversion, samples, progress)
        num_candidates, failure = len(candidates), inversion.failure_reason()
        universal = self._universal_candidates(samples, inversion)
        if universal:
            inversion = self.start(split, samples, universal)
            triggers += self._universal(inversion, samples, progress)
            num_candidates += len(universal)
            failure = failure or inversion.failure_reason()
        return ScannerResult(
            triggers=by_success(triggers),
            num_candidates=num_candidates,
            flags=bool(triggers),
            score=max((trigger.asr for trigger in triggers), default=0.0),
            inconclusive="" if triggers else failure,
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
            [pool_of(samples, candidate) for candidate in candidates],
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
        """The strongest triggers per victim that keep the bound on all its images."""
        leads = [0.0] * len(inversion.candidates)
        alive = self.refinement.run(inversion, leads, progress=progress)
        ranked = self.refinement.ranked(inversion, leads, alive=alive)
        best = best_of_restarts(self.within_bound(ranked, samples), restarts=self.restarts)
        return list(strongest(best, self.triggers_per_victim))

    def _universal_candidates(self, samples: SampleSet, pairs: Inversion) -> list[Candidate]:
        if self.universal_refinement is None:
            return []
        min_score = self.universal_refinement.rounds[0].min_score
        return within_reach(universal_candidates(samples), pairs, min_score)

    def _universal(
        self, inversion: Inversion, samples: SampleSet, progress: Progress | None
    ) -> list[InvertedTrigger]:
        """Filters that flip all victims' images together, with the victim that they flip most."""
        assert self.universal_refinement is not None
        leads = [0.0] * len(inversion.candidates)
        triggers = []
        for place in self.universal_refinement.run(inversion, leads, progress=progress):
            if measure_candidate(inversion, place).asr >= self.min_asr:
                trigger = most_flipped(
                    inversion.trigger(place),
                    inversion.candidates[place],
                    inversion.split.classifier,
                    samples,
                    source=self.name,
                )
                if filter_ssim(trigger, inversion.pools[place]) >= self.filter.min_ssim:
                    triggers.append(trigger)
        return triggers

    def within_bound(
        self, triggers: Sequence[InvertedTrigger], samples: SampleSet
    ) -> list[InvertedTrigger]:
        """The triggers that keep the bound on all images of their victims.

        Args:
            triggers: Filters.
            samples: Clean images.
        """
        min_ssim = self.filter.min_ssim
        return [t for t in triggers if filter_ssim(t, samples.of_class(t.victim_class)) >= min_ssim]


def universal_candidates(samples: SampleSet) -> list[Candidate]:
    """Each class that has images as the target of all others; none if there are only two.

    Args:
        samples: Clean images.
    """
    present = present_classes(samples)
    if len(present) <= 2:
        return []
    return [universal_candidate(target, present) for target in present]


def within_reach(
    universal: Sequence[Candidate], pairs: Inversion, min_score: float
) -> list[Candidate]:
    """The universal candidates whose target's pairs reached a score on average.

    Args:
        universal: All of them; a target without any pair is left in.
        pairs: The inversion of the pairs, when it is over.
        min_score: ASR plus mean target probability.
    """
    scores: dict[int, list[float]] = {}
    for candidate, peak in zip(
        pairs.candidates, pairs.peak_score.clamp(min=0).tolist(), strict=True
    ):
        scores.setdefault(candidate.target, []).append(peak)
    return [
        candidate
        for candidate in universal
        if candidate.target not in scores or mean(scores[candidate.target]) >= min_score
    ]
