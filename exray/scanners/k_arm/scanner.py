"""K-Arm: pairs and universal targets are arms of a bandit that shrinks their patches."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.base import Progress, Scanner, ScannerResult, steps_reporter
from exray.scanners.inversion.initialization import ProbeSettings, Start, ranked_starts
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import EngineSettings, Inversion
from exray.scanners.inversion.objectives import CostSettings, DynamicCost
from exray.scanners.inversion.patches import Pattern, square_patches, square_side
from exray.scanners.inversion.prescreen import (
    PrescreenSettings,
    likely_pairs,
    likely_universal_targets,
)
from exray.scanners.inversion.restarts import agreement
from exray.scanners.inversion.universal import UniversalSettings, interleaved, most_flipped
from exray.scanners.k_arm.bandit import Arm, ArmSettings, Bandit, play_together
from exray.scanners.validation import (
    nothing_to_scan,
    pixels_of,
    present_classes,
    require_count,
    require_fraction,
    require_size_share,
)
from exray.triggers.base import InvertedTrigger


class KArm(Scanner):
    """Shrinks patches, an arm a pair or universal target, and keeps those within the size bound.

    Args:
        layer: Any layer at which the network can be cut; the method does not look at it.
        prescreen: Which pairs are arms.
        universal: Which targets are arms for all victims at once; None for none.
        arms: How the steps are shared out.
        probe: How each arm's first square is found.
        cost: The weight of the mask's size.
        inversion: How patches are optimised.
        images_per_step: Images that the arm of a pair sees in a step.
        max_size_share: Bound on the trigger's size as a share of the image's area, of pairs.
        min_ratio: Least ratio of the size from target to victim over that from victim to target:
            K-Arm's own check for natural triggers, of pairs. None leaves them to the judge.
        min_asr: ASR of the hardened trigger on the victim's images from which it counts.
        restarts: Squares that each arm's candidate is started from, at different places, an arm
            each; they share the plays. The smallest trigger counts and the others' agreement is
            kept.

    Source: Shen et al. 2021 (facts, section 5). *Differs from the released code:* arms start from
    the best coloured square; pairs are tried beside universal targets; a scan without a likely
    pair tries the likeliest; the way back ends as soon as it is small enough.
    """

    name: ClassVar[str] = "k_arm"  # recorded as the triggers' source

    def __init__(
        self,
        *,
        layer: str,
        prescreen: PrescreenSettings,
        universal: UniversalSettings | None,
        arms: ArmSettings,
        probe: ProbeSettings,
        cost: CostSettings,
        inversion: EngineSettings,
        images_per_step: int,
        max_size_share: float,
        min_ratio: float | None,
        min_asr: float,
        restarts: int = 1,
    ) -> None:
        require_size_share("max_size_share", max_size_share)
        require_fraction("min_asr", min_asr)
        require_count("images_per_step", images_per_step)
        require_count("restarts", restarts)
        self.layer = layer
        self.prescreen = prescreen
        self.universal = universal
        self.arms = arms
        self.probe = probe
        self.cost = cost
        self.inversion = inversion
        self.images_per_step = images_per_step
        self.max_size_share = max_size_share
        self.min_ratio = min_ratio
        self.min_asr = min_asr
        self.restarts = restarts

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """Triggers within their size bounds, the smallest for its bound first."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        height, width = samples.images.shape[-2:]
        pixels_of("max_size_share", self.max_size_share, (height, width))  # refuses less than one
        split = SplitClassifier.of(classifier, self.layer, samples.images)
        likely = likely_pairs(classifier, samples, self.prescreen)
        pairs = self.pair_arms(split, samples, likely, restarts=self.restarts)
        arms = [*self._universal_arms(split, samples), *pairs]
        bandit = Bandit(arms, self.arms, area=_area(samples), seed=self.inversion.seed)
        bandit.run(steps_reporter(progress, self.arms.plays_of(len(arms))))
        found = self._found(arms, samples)
        small = _once([each for each in found if each[0] >= 1], restarts=self.restarts)
        if self.min_ratio is not None:
            small = self._asymmetric(split, samples, small, ratio=self.min_ratio)
        return ScannerResult(
            triggers=tuple(trigger for _, _, trigger in small),
            num_candidates=len(arms),
            flags=bool(small),
            score=max((margin for margin, _, _ in found), default=0.0),
            inconclusive="" if small else _trouble(arms),
        )

    def pair_arms(
        self,
        split: SplitClassifier,
        samples: SampleSet,
        pairs: Sequence[tuple[int, int]],
        *,
        restarts: int = 1,
    ) -> list[Arm]:
        """Arms of (victim, target) pairs, of one colour each.

        Args:
            split: The classifier.
            samples: Clean images.
            pairs: The pairs.
            restarts: Squares that each is started from, as far as there are so many.
        """
        side = square_side(self.max_size_share * _area(samples))
        found: dict[tuple[int, int], list[Start]] = {}
        for victim in dict.fromkeys(victim for victim, _ in pairs):
            targets = [target for other, target in pairs if other == victim]
            images = samples.of_class(victim)
            several = ranked_starts(
                split, images, targets, side=side, settings=self.probe, count=restarts
            )
            found |= {(victim, t): each for t, each in zip(targets, several, strict=True)}
        candidates = [Candidate(victims=(victim,), target=target) for victim, target in pairs]
        starts = [found[pair] for pair in pairs]
        return self._started(split, samples, candidates, starts, side=side, pattern="colour")

    def _universal_arms(self, split: SplitClassifier, samples: SampleSet) -> list[Arm]:
        """Arms of the likely universal targets, of a colour a pixel."""
        if self.universal is None:
            return []
        targets = likely_universal_targets(split.classifier, samples, share=self.universal.share)
        if not targets:
            return []
        present = present_classes(samples)
        candidates = [
            Candidate(victims=tuple(v for v in present if v != target), target=target)
            for target in targets
        ]
        side = square_side(self.universal.max_size_share * _area(samples))
        starts = [
            ranked_starts(
                split,
                _pool(samples, each),
                [each.target],
                side=side,
                settings=self.probe,
                count=self.restarts,
            )[0]
            for each in candidates
        ]
        return self._started(split, samples, candidates, starts, side=side, pattern="free")

    def _started(
        self,
        split: SplitClassifier,
        samples: SampleSet,
        candidates: Sequence[Candidate],
        starts: Sequence[Sequence[Start]],
        *,
        side: int,
        pattern: Pattern,
    ) -> list[Arm]:
        """An arm for each start of each candidate."""
        tries = [
            (replace(candidate, restart=restart), start)
            for candidate, several in zip(candidates, starts, strict=True)
            for restart, start in enumerate(several)
        ]
        inversion = self._inversion(
            split,
            samples,
            [candidate for candidate, _ in tries],
            starts=[start for _, start in tries],
            side=side,
            pattern=pattern,
        )
        universal = self.universal if pattern == "free" else None
        count = self.images_per_step if universal is None else universal.images_per_step
        return [Arm(inversion, place, images_per_step=count) for place in range(len(tries))]

    def _inversion(
        self,
        split: SplitClassifier,
        samples: SampleSet,
        candidates: Sequence[Candidate],
        *,
        starts: Sequence[Start],
        side: int,
        pattern: Pattern,
    ) -> Inversion:
        height, width = samples.images.shape[-2:]
        device = samples.images.device
        return Inversion(
            split,
            candidates,
            [_pool(samples, each) for each in candidates],
            shape=square_patches(
                candidates,
                starts,
                side=side,
                image_size=(height, width),
                pattern=pattern,
                seed=self.inversion.seed,
                device=device,
            ),
            objective=DynamicCost(self.cost, num_candidates=len(candidates), device=device),
            settings=self.inversion,
        )

    def _found(
        self, arms: Sequence[Arm], samples: SampleSet
    ) -> list[tuple[float, Arm, InvertedTrigger]]:
        """Arms that met the ASR bar with bound over size, the highest first."""
        found = []
        for arm in arms:
            if arm.size == float("inf"):
                continue
            trigger = most_flipped(arm.inversion, arm.place, samples, source=self.name)
            if trigger.asr >= self.min_asr:
                bound = self._bound(arm, samples)
                found.append((bound / max(arm.size, 1.0), arm, trigger))
        return sorted(found, key=lambda each: -each[0])

    def _bound(self, arm: Arm, samples: SampleSet) -> float:
        """The size bound of an arm's kind, in pixels."""
        share = self.max_size_share
        if self.universal is not None and not _is_pair(arm):
            share = self.universal.max_size_share
        return share * _area(samples)

    def _asymmetric(
        self,
        split: SplitClassifier,
        samples: SampleSet,
        small: Sequence[tuple[float, Arm, InvertedTrigger]],
        *,
        ratio: float,
    ) -> list[tuple[float, Arm, InvertedTrigger]]:
        """Universal triggers, and pairs' whose way back takes a far larger trigger or fails."""
        there = [arm for _, arm, _ in small if _is_pair(arm)]
        if not there:
            return list(small)
        pairs = [arm.inversion.candidates[arm.place] for arm in there]
        back = self.pair_arms(split, samples, [(each.target, each.victims[0]) for each in pairs])
        ways = dict(zip(there, back, strict=True))

        def is_open(arm: Arm) -> bool:
            way = ways[arm]
            lost = way.is_hopeless(self.arms.backward_elimination)
            return way.plays < arm.plays and not lost and way.size > ratio * max(arm.size, 1.0)

        while live := [ways[arm] for arm in there if is_open(arm)]:
            play_together(live)
        return [
            each
            for each in small
            if each[1] not in ways or ways[each[1]].size > ratio * max(each[1].size, 1.0)
        ]


def _once(
    found: Sequence[tuple[float, Arm, InvertedTrigger]], *, restarts: int
) -> list[tuple[float, Arm, InvertedTrigger]]:
    """The first of each candidate's starts, with how far the others agree.

    Args:
        found: Those within their bounds, the smallest first.
        restarts: Starts of each candidate.
    """
    starts: dict[Candidate, list[tuple[float, Arm, InvertedTrigger]]] = {}
    for each in found:
        own = each[1].inversion.candidates[each[1].place]
        starts.setdefault(replace(own, restart=0), []).append(each)
    kept = []
    for (margin, arm, trigger), *others in starts.values():
        rest = [other.trigger for _, _, other in others]
        measured = agreement(trigger.trigger, rest, restarts=restarts)
        kept.append((margin, arm, replace(trigger, measurements=measured)))
    return kept


def _trouble(arms: Sequence[Arm]) -> str:
    """Why finding nothing would say nothing, of the first inversion of which it would not."""
    told = (arm.inversion.trouble() for arm in arms)
    return next((reason for reason in told if reason), "")


def _is_pair(arm: Arm) -> bool:
    """Whether the arm is of one victim; of two classes a universal one is a pair as well."""
    return len(arm.inversion.candidates[arm.place].victims) == 1


def _pool(samples: SampleSet, candidate: Candidate) -> Float[Tensor, "n 3 h w"]:
    return interleaved([samples.of_class(victim) for victim in candidate.victims])


def _area(samples: SampleSet) -> float:
    height, width = samples.images.shape[-2:]
    return float(height * width)
