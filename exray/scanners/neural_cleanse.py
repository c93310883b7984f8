"""Neural Cleanse: the smallest trigger to each class, and which of them is oddly small."""

from collections.abc import Sequence
from typing import Literal

import torch

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting import SplitClassifier
from exray.scanners.anomaly import anomaly_indices
from exray.scanners.checks import (
    nothing_to_scan,
    present_classes,
    require_count,
    require_fraction,
)
from exray.scanners.dynamic_cost import CostSettings, DynamicCost
from exray.scanners.engine import Candidate, EngineSettings, Inversion, StopRule
from exray.scanners.patches import random_patches
from exray.scanners.scanner import Progress, Scanner, ScanResult, steps_reporter
from exray.scanners.universal import interleaved, most_flipped

_EXAMPLES = 4  # images on which the split is checked


class NeuralCleanse(Scanner):
    """Inverts a minimal trigger per target or per pair; flags those that are outliers in size.

    Args:
        name: Recorded as the triggers' source.
        layer: Any layer at which the network can be cut; the method does not look at it.
        kind: ``universal`` for one trigger a target, from all other classes; ``pairs`` for one a
            (victim, target) pair.
        cost: The weight of the mask's size.
        inversion: How triggers are optimised.
        steps: Adam steps at most.
        images_per_step: Images each candidate sees in a step.
        stop: When a candidate stops early; its score is minus the mask's sum, in pixels.
        anomaly_threshold: Index above which a trigger is an outlier.
        min_asr: ASR of the hardened trigger on a victim's images from which it is handed on.

    Source: Wang et al. 2019 (facts, section 3). *Differs from the released code:* a trigger whose
    ASR never reached its bar has no size, rather than that of the last mask.
    """

    def __init__(
        self,
        *,
        name: str,
        layer: str,
        kind: Literal["universal", "pairs"],
        cost: CostSettings,
        inversion: EngineSettings,
        steps: int,
        images_per_step: int,
        stop: StopRule,
        anomaly_threshold: float,
        min_asr: float,
    ) -> None:
        if kind not in ("universal", "pairs"):
            raise ValueError(f"scanner.kind must be universal or pairs; got {kind!r}")
        for key, value in (("steps", steps), ("images_per_step", images_per_step)):
            require_count(key, value)
        require_fraction("min_asr", min_asr)
        self.name = name
        self.layer = layer
        self.kind = kind
        self.cost = cost
        self.inversion = inversion
        self.steps = steps
        self.images_per_step = images_per_step
        self.stop = stop
        self.anomaly_threshold = anomaly_threshold
        self.min_asr = min_asr

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScanResult:
        """Triggers that are outliers in size; inconclusive where too few have a size."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        split = SplitClassifier(classifier, self.layer, example=samples.images[:_EXAMPLES])
        inversion = self.start(split, samples, self.candidates(present_classes(samples)))
        inversion.run(
            self.steps,
            alive=range(len(inversion.candidates)),
            images_per_step=self.images_per_step,
            stop=self.stop,
            on_step=steps_reporter(progress, self.steps),
        )
        norms = {
            place: -score
            for place, score in enumerate(inversion.best_score.tolist())
            if score > -torch.inf
        }
        if len(norms) < 3:
            return self._too_few(inversion, len(norms))
        indices = dict(zip(norms, anomaly_indices(list(norms.values())), strict=True))
        outliers = sorted(
            (place for place in indices if indices[place] > self.anomaly_threshold),
            key=lambda place: -indices[place],
        )
        triggers = [most_flipped(inversion, p, samples, source=self.name) for p in outliers]
        return ScanResult(
            triggers=tuple(each for each in triggers if each.asr >= self.min_asr),
            num_candidates=len(inversion.candidates),
            flags=bool(outliers),
            score=max(indices.values()),
            inconclusive="" if outliers else inversion.trouble(),
        )

    def _too_few(self, inversion: Inversion, sized: int) -> ScanResult:
        """No verdict, since so few candidates met the ASR bar."""
        whole = len(inversion.candidates)
        few = (
            f"an anomaly index needs three triggers; {sized} of {whole} reached an ASR of "
            f"{self.cost.asr_bar}"
        )
        trouble = inversion.trouble()
        return ScanResult(
            triggers=(),
            num_candidates=whole,
            flags=False,
            inconclusive=f"{few}; {trouble}" if trouble else few,
        )

    def candidates(self, present: Sequence[int]) -> list[Candidate]:
        """One a target, or one a pair.

        Args:
            present: Classes that have images.
        """
        pairs = [(victim, target) for target in present for victim in present if victim != target]
        if self.kind == "pairs":
            return [Candidate(victims=(victim,), target=target) for victim, target in pairs]
        return [
            Candidate(victims=tuple(v for v in present if v != target), target=target)
            for target in present
        ]

    def start(
        self, split: SplitClassifier, samples: SampleSet, candidates: Sequence[Candidate]
    ) -> Inversion:
        """Random patches of the candidates.

        Args:
            split: The classifier.
            samples: Clean images.
            candidates: What to look for.
        """
        height, width = samples.images.shape[-2:]
        device = samples.images.device
        return Inversion(
            split,
            candidates,
            [interleaved([samples.of_class(v) for v in each.victims]) for each in candidates],
            shape=random_patches(
                candidates, image_size=(height, width), seed=self.inversion.seed, device=device
            ),
            objective=DynamicCost(self.cost, num_candidates=len(candidates), device=device),
            settings=self.inversion,
        )
