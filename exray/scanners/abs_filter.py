"""ABS for filter triggers: the same candidates, a kernel over the whole image for each."""

from collections.abc import Sequence

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting import SplitClassifier
from exray.scanners.abs_scanner import StimulationSettings, stimulated_pairs
from exray.scanners.checks import nothing_to_scan, require_count
from exray.scanners.engine import Candidate, EngineSettings, Inversion, StopRule
from exray.scanners.filters import BoundedChange, Filters, FilterSettings, filter_ssim
from exray.scanners.prescreen import PrescreenSettings
from exray.scanners.refinement import InversionRound, Refinement, strongest
from exray.scanners.scanner import Progress, Scanner, ScanResult
from exray.scanners.stimulation import Pointer
from exray.triggers.trigger import InvertedTrigger

_EXAMPLES = 4  # images on which the split is checked


class AbsFilterScanner(Scanner):
    """ABS for filter triggers, label-specific, within a bound on their SSIM.

    Args:
        name: Recorded as the triggers' source.
        stimulation: How candidates are picked.
        filter: What a filter may be.
        inversion: How kernels are optimised; without noise, since pools are computed once.
        rounds: First few images and steps for all candidates, then more for those that live.
        stop: When a candidate stops before its round is over.
        min_asr: ASR on all the victim's images from which a trigger counts.
        triggers_per_victim: Strongest triggers kept of each victim class.
        prescreen: Leaves ABS the pairs that clean images point to; None tries all.

    Raises:
        ValueError: If a setting is out of range or the inversion adds noise.

    Source: ABS, section 4; EX-RAY's code (facts, sections 2.1 and 2.3). *Differs from the
    released code:* weights may be negative; the best filter within the bound is kept.
    """

    def __init__(
        self,
        *,
        name: str,
        stimulation: StimulationSettings,
        filter: FilterSettings,  # noqa: A002  # the yaml's word
        inversion: EngineSettings,
        rounds: Sequence[InversionRound],
        stop: StopRule,
        min_asr: float,
        triggers_per_victim: int,
        prescreen: PrescreenSettings | None = None,
    ) -> None:
        require_count("triggers_per_victim", triggers_per_victim)
        if inversion.noise != 0:
            raise ValueError(
                "scanner.inversion.noise must be 0 for filters, whose neighbourhoods are computed "
                f"once; got {inversion.noise}"
            )
        self.name = name
        self.stimulation = stimulation
        self.filter = filter
        self.inversion = inversion
        self.refine = Refinement(name=name, rounds=rounds, stop=stop, min_asr=min_asr)
        self.triggers_per_victim = triggers_per_victim
        self.prescreen = prescreen

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScanResult:
        """Filters within the SSIM bound that flip a victim's images to one target."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        split = SplitClassifier(
            classifier, self.stimulation.layer, example=samples.images[:_EXAMPLES]
        )
        pointers = stimulated_pairs(split, samples, self.stimulation, self.prescreen)
        inversion = self.start(split, samples, pointers)
        even = [0.0] * len(pointers)
        alive: Sequence[int] = range(len(pointers))
        alive = self.refine.run(inversion, even, alive=alive, progress=progress)
        found = self.refine.ranked(inversion, even, alive=alive)
        triggers = strongest(self.within(found, samples), self.triggers_per_victim)
        return ScanResult(
            triggers=triggers,
            num_candidates=len(pointers),
            flags=bool(triggers),
            score=max((each.asr for each in triggers), default=0.0),
            inconclusive="" if triggers else inversion.trouble(),
        )

    def start(
        self, split: SplitClassifier, samples: SampleSet, pointers: Sequence[Pointer]
    ) -> Inversion:
        """Filters of all pairs, next to the identity.

        Args:
            split: The classifier, cut at the stimulated layer.
            samples: Clean images.
            pointers: The pairs.
        """
        height, width = samples.images.shape[-2:]
        candidates = [
            Candidate(victims=(victim,), target=target, channel=channel)
            for victim, target, channel in pointers
        ]
        return Inversion(
            split,
            candidates,
            [samples.of_class(each.victims[0]) for each in candidates],
            shape=Filters(
                len(candidates),
                window=self.filter.window((height, width)),
                image_size=(height, width),
                device=samples.images.device,
            ),
            objective=BoundedChange(min_ssim=self.filter.min_ssim),
            settings=self.inversion,
        )

    def within(
        self, triggers: Sequence[InvertedTrigger], samples: SampleSet
    ) -> list[InvertedTrigger]:
        """The triggers that keep the bound on all images of their victims."""
        return [
            each
            for each in triggers
            if filter_ssim(each, samples.of_class(each.victim_class)) >= self.filter.min_ssim
        ]
