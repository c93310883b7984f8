"""The arms of K-Arm's bandit: patches of pairs and of universal targets, with their starts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exray.images.samples import SampleSet
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.inversion.initialization import ProbeSettings, Start, ranked_starts
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import Inversion, InversionSettings
from exray.scanners.inversion.objectives import CostSettings, DynamicCost
from exray.scanners.inversion.patches import Pattern, square_patches, square_side
from exray.scanners.inversion.prescreen import likely_universal_targets
from exray.scanners.inversion.universal import UniversalSettings, pool_of, universal_candidate
from exray.scanners.k_arm.bandit import Arm
from exray.scanners.validation import present_classes


@dataclass(frozen=True, kw_only=True)
class ArmStarter:
    """Starts the arms of one scan.

    Args:
        split: The classifier.
        samples: Clean images.
        probe: How an arm's first square is chosen.
        cost: The weight of the mask's size.
        inversion: Optimisation settings.
        images_per_step: Images that the arm of a pair sees per step.
        max_size_share: Bound on a pair's trigger as a share of the image's area.
    """

    split: SplitClassifier
    samples: SampleSet
    probe: ProbeSettings
    cost: CostSettings
    inversion: InversionSettings
    images_per_step: int
    max_size_share: float

    @property
    def image_area(self) -> float:
        """Of an image, in pixels."""
        height, width = self.samples.images.shape[-2:]
        return float(height * width)

    def pair_arms(self, pairs: Sequence[tuple[int, int]], *, restarts: int = 1) -> list[Arm]:
        """Arms of (victim, target) pairs, of one colour each.

        Args:
            pairs: The pairs.
            restarts: Number of squares that each is started from, as far as there are so many.
        """
        bound = self.max_size_share * self.image_area
        side = square_side(bound)
        starts: dict[tuple[int, int], list[Start]] = {}
        for victim in dict.fromkeys(victim for victim, _ in pairs):
            targets = [target for other, target in pairs if other == victim]
            images = self.samples.of_class(victim)
            ranked = ranked_starts(
                self.split, images, targets, side=side, settings=self.probe, count=restarts
            )
            starts |= {(victim, t): own for t, own in zip(targets, ranked, strict=True)}
        candidates = [
            Candidate(victims=(victim,), target=target, restart=restart)
            for victim, target in pairs
            for restart in range(len(starts[victim, target]))
        ]
        squares = [square for pair in pairs for square in starts[pair]]
        inversion = self._inversion(candidates, squares, side=side, pattern="colour")
        return [
            Arm(inversion, place, images_per_step=self.images_per_step, bound=bound)
            for place in range(len(candidates))
        ]

    def universal_arms(self, settings: UniversalSettings, *, restarts: int = 1) -> list[Arm]:
        """Arms of the likely universal targets, of one colour per pixel.

        Args:
            settings: Which targets, and their bound.
            restarts: Number of squares that each is started from, as far as there are so many.
        """
        bound = settings.max_size_share * self.image_area
        side = square_side(bound)
        present = present_classes(self.samples)
        candidates: list[Candidate] = []
        squares: list[Start] = []
        for target in likely_universal_targets(
            self.split.classifier, self.samples, share=settings.share
        ):
            candidate = universal_candidate(target, present)
            images = pool_of(self.samples, candidate)
            (starts,) = ranked_starts(
                self.split, images, [target], side=side, settings=self.probe, count=restarts
            )
            squares += starts
            candidates += [replace(candidate, restart=index) for index in range(len(starts))]
        if not candidates:
            return []
        inversion = self._inversion(candidates, squares, side=side, pattern="free")
        if len(present) == 2:  # a universal trigger is then one of a pair
            bound = self.max_size_share * self.image_area
        return [
            Arm(inversion, place, images_per_step=settings.images_per_step, bound=bound)
            for place in range(len(candidates))
        ]

    def _inversion(
        self,
        candidates: Sequence[Candidate],
        starts: Sequence[Start],
        *,
        side: int,
        pattern: Pattern,
    ) -> Inversion:
        height, width = self.samples.images.shape[-2:]
        device = self.samples.images.device
        return Inversion(
            self.split,
            candidates,
            [pool_of(self.samples, candidate) for candidate in candidates],
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
