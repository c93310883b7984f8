"""K-Arm: pairs are arms of a bandit, and the steps go to those that shrink fastest."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting import SplitClassifier
from exray.scanners.checks import (
    nothing_to_scan,
    pixels_of,
    require_count,
    require_fraction,
    require_size_share,
)
from exray.scanners.dynamic_cost import CostSettings, DynamicCost
from exray.scanners.engine import Candidate, EngineSettings, Inversion
from exray.scanners.patches import square_patches, square_side
from exray.scanners.prescreen import likely_pairs
from exray.scanners.probe import ProbeSettings, best_starts
from exray.scanners.scanner import Progress, Scanner, ScanResult, steps_reporter
from exray.tensors import generator
from exray.triggers.trigger import InvertedTrigger

_EXAMPLES = 4  # images on which the split is checked
_SPEED_WEIGHT = 1e4  # of one over the size, against the speed of shrinking, at 224 x 224


@dataclass(frozen=True, kw_only=True)
class ArmSettings:
    """Which pairs are arms, and how they are played.

    Args:
        prescreen_share: Share of a victim's images among whose likeliest classes a target must be.
        targets_per_victim: Arms of each victim, at most.
        plays: Steps of all arms together.
        warm_up: Steps each arm gets first.
        epsilon: Chance of playing a random arm.
        elimination: Pairs of plays and the best ASR an arm must have reached after them.

    Raises:
        ValueError: If a share or a chance lies outside [0, 1] or a count is not positive.
    """

    prescreen_share: float
    targets_per_victim: int
    plays: int
    warm_up: int
    epsilon: float
    elimination: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        for name in ("prescreen_share", "epsilon"):
            value = getattr(self, name)
            if isinstance(value, str) or not 0 <= value <= 1:
                raise ValueError(f"scanner.arms.{name} must lie in [0, 1]; got {value!r}")
        for name in ("targets_per_victim", "plays", "warm_up"):
            require_count(f"arms.{name}", getattr(self, name))


class KArm(Scanner):
    """Shrinks one-colour patches, an arm a pair, and keeps those within the size bound.

    Args:
        name: Recorded as the triggers' source.
        layer: Any layer at which the network can be cut; the method does not look at it.
        arms: Which pairs, and how the steps are shared out.
        probe: How each arm's first square is found.
        cost: The weight of the mask's size.
        inversion: How patches are optimised.
        images_per_step: Images an arm sees in a step.
        max_size_share: Bound on the trigger's size as a share of the image's area.
        min_ratio: Least ratio of the size from target to victim over that from victim to target:
            K-Arm's own check for natural triggers. None leaves them to the judge.
        min_asr: ASR of the hardened trigger on the victim's images from which it counts.

    Source: Shen et al. 2021 (facts, section 5). *Differs from the released code:* arms start from
    the best coloured square; an arm never stops for having improved often, only the budget ends.
    """

    def __init__(
        self,
        *,
        name: str,
        layer: str,
        arms: ArmSettings,
        probe: ProbeSettings,
        cost: CostSettings,
        inversion: EngineSettings,
        images_per_step: int,
        max_size_share: float,
        min_ratio: float | None,
        min_asr: float,
    ) -> None:
        require_size_share("max_size_share", max_size_share)
        require_fraction("min_asr", min_asr)
        require_count("images_per_step", images_per_step)
        self.name = name
        self.layer = layer
        self.arms = arms
        self.probe = probe
        self.cost = cost
        self.inversion = inversion
        self.images_per_step = images_per_step
        self.max_size_share = max_size_share
        self.min_ratio = min_ratio
        self.min_asr = min_asr

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScanResult:
        """Triggers within the size bound, smallest first."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        height, width = samples.images.shape[-2:]
        bound = pixels_of("max_size_share", self.max_size_share, (height, width))
        split = SplitClassifier(classifier, self.layer, example=samples.images[:_EXAMPLES])
        pairs = likely_pairs(
            classifier,
            samples,
            share=self.arms.prescreen_share,
            targets_per_victim=self.arms.targets_per_victim,
        )
        inversion = self._start(split, samples, pairs)
        self._play(inversion, _area(samples), progress)
        found = self._triggers(inversion)
        small = [pair for pair in found if pair[0] <= bound]
        if self.min_ratio is not None:
            small = self._asymmetric(split, samples, inversion, small)
        return ScanResult(
            triggers=tuple(trigger for _, trigger in small),
            num_candidates=len(pairs),
            flags=bool(small),
            score=max((bound / max(size, 1.0) for size, _ in found), default=0.0),
            inconclusive="" if small else inversion.trouble(),
        )

    def _start(
        self, split: SplitClassifier, samples: SampleSet, pairs: Sequence[tuple[int, int]]
    ) -> Inversion:
        height, width = samples.images.shape[-2:]
        side = square_side(self.max_size_share * _area(samples))
        candidates = [Candidate(victims=(victim,), target=target) for victim, target in pairs]
        starts = [
            best_starts(split, samples.of_class(v), [t], side=side, settings=self.probe)[0]
            for v, t in pairs
        ]
        device = samples.images.device
        return Inversion(
            split,
            candidates,
            [samples.of_class(victim) for victim, _ in pairs],
            shape=square_patches(
                candidates,
                starts,
                side=side,
                image_size=(height, width),
                pattern="colour",
                seed=self.inversion.seed,
                device=device,
            ),
            objective=DynamicCost(self.cost, num_candidates=len(candidates), device=device),
            settings=self.inversion,
        )

    def _play(self, inversion: Inversion, area: float, progress: Progress | None) -> None:
        """Warm-up of every arm, then epsilon-greedy steps until the budget or the arms end."""
        report = steps_reporter(progress, self.arms.plays)
        stream = generator(self.inversion.seed, "arms")
        live = list(range(len(inversion.candidates)))
        best_asr = [0.0] * len(live)
        for _ in range(self.arms.plays):
            arm = self._next(inversion, live, area, stream)
            inversion.run(1, alive=[arm], images_per_step=self.images_per_step, on_step=report)
            best_asr[arm] = max(best_asr[arm], float(inversion.last_asr[arm]))
            plays = int(inversion.steps[arm])
            if any(plays >= due and best_asr[arm] < bar for due, bar in self.arms.elimination):
                live.remove(arm)
            if not live:
                break

    def _next(
        self, inversion: Inversion, live: Sequence[int], area: float, stream: torch.Generator
    ) -> int:
        """The arm to play: one still cold, else a random one, else the most promising."""
        steps = inversion.steps.tolist()
        cold = [arm for arm in live if steps[arm] < self.arms.warm_up]
        if cold:
            return cold[0]
        if float(torch.rand(1, generator=stream)) < self.arms.epsilon:
            return live[int(torch.randint(len(live), (1,), generator=stream))]
        scale = area / 224**2
        scores = inversion.best_score.tolist()

        def promise(arm: int) -> float:
            size: float = -scores[arm] / scale if scores[arm] > -torch.inf else float(224**2)
            speed: float = (2500 - size) / (steps[arm] / 2)
            return speed + _SPEED_WEIGHT / max(size, 1.0)

        return max(live, key=promise)

    def _triggers(self, inversion: Inversion) -> list[tuple[float, InvertedTrigger]]:
        """Size and trigger of every arm that met the ASR bar, smallest first."""
        found = []
        for place, score in enumerate(inversion.best_score.tolist()):
            if score == -torch.inf:
                continue
            trigger = inversion.inverted(place, source=self.name)
            if trigger.asr >= self.min_asr:
                found.append((-score, trigger))
        return sorted(found, key=lambda pair: pair[0])

    def _asymmetric(
        self,
        split: SplitClassifier,
        samples: SampleSet,
        inversion: Inversion,
        small: Sequence[tuple[float, InvertedTrigger]],
    ) -> list[tuple[float, InvertedTrigger]]:
        """Those whose way back, inverted in as many steps, takes a far larger trigger."""
        steps = {
            (each.victims[0], each.target): int(count)
            for each, count in zip(inversion.candidates, inversion.steps.tolist(), strict=True)
        }
        kept = []
        for size, trigger in small:
            pair = (trigger.victim_class, trigger.target_class)
            back = self._start(split, samples, [(pair[1], pair[0])])
            back.run(steps[pair], alive=[0], images_per_step=self.images_per_step)
            ratio = -float(back.best_score[0]) / max(size, 1.0)  # inf where the way back fails
            if self.min_ratio is None or ratio > self.min_ratio:
                kept.append((size, trigger))
        return kept


def _area(samples: SampleSet) -> float:
    height, width = samples.images.shape[-2:]
    return float(height * width)
