"""ABS: stimulates neurons to find likely (victim, target) pairs, then inverts their triggers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting import SplitClassifier
from exray.scanners.patch_inversion import InversionSettings, PatchInversion
from exray.scanners.scanner import Progress, Scanner, ScanResult
from exray.scanners.stimulation import pick_candidates
from exray.triggers.trigger import InvertedTrigger, PatchTrigger

_EXAMPLES = 4  # images on which the split is checked


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
                "scanner.stimulation.levels must begin with 0 and hold another level; "
                f"got {list(self.levels)}"
            )
        for name in ("images_per_class", "targets_per_victim"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"scanner.stimulation.{name} must be >= 1; got {value!r}")


@dataclass(frozen=True, kw_only=True)
class InversionRound:
    """One round of inversion; the next one goes on with what lives.

    Args:
        steps: Adam steps.
        images_per_victim: Images each candidate sees in a step.
        min_score: ASR plus mean target probability a candidate needs to live on, in [0, 2].
        keep: Candidates of each victim that live on, at most.
    """

    steps: int
    images_per_victim: int
    min_score: float
    keep: int

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or self.steps < 1 or self.images_per_victim < 1:
            raise ValueError(
                "scanner.rounds must have steps and images_per_victim >= 1; "
                f"got {self.steps!r} and {self.images_per_victim!r}"
            )


class AbsScanner(Scanner):
    """ABS for patch triggers, as its TrojAI versions do it, with early rounds on few images.

    Args:
        name: Recorded as the triggers' source.
        stimulation: How candidates are picked.
        inversion: How their patches are optimised.
        rounds: First few images and steps for all candidates, then more for those that live.
        min_asr: ASR of the hardened trigger on all the victim's images from which it counts.
        triggers_per_victim: Strongest triggers kept of each victim class.

    Source: ABS (Liu et al. 2019), TrojAI rounds 2 to 4 (facts, section 2.2). *Differs from the
    released code:* more targets a victim are tried and the hopeless dropped early; the target of
    a task is never switched; the best trigger within the bound is kept rather than the last.
    """

    def __init__(
        self,
        *,
        name: str,
        stimulation: StimulationSettings,
        inversion: InversionSettings,
        rounds: Sequence[InversionRound],
        min_asr: float,
        triggers_per_victim: int,
    ) -> None:
        if not rounds:
            raise ValueError("scanner.rounds must hold at least one round; got none")
        if isinstance(min_asr, str) or not 0 < min_asr <= 1:
            raise ValueError(f"scanner.min_asr must be a fraction in (0, 1]; got {min_asr!r}")
        self.name = name
        self.stimulation = stimulation
        self.inversion = inversion
        self.rounds = tuple(rounds)
        if not isinstance(triggers_per_victim, int) or triggers_per_victim < 1:
            raise ValueError(
                f"scanner.triggers_per_victim must be >= 1; got {triggers_per_victim!r}"
            )
        self.min_asr = min_asr
        self.triggers_per_victim = triggers_per_victim

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScanResult:
        """Triggers within the size bound that flip a victim's images to one target."""
        present = [index for index, count in enumerate(samples.counts()) if count > 0]
        if len(present) < 2:
            raise ValueError(
                f"a scan needs images of at least two classes; got images of {len(present)}"
            )
        split = SplitClassifier(
            classifier, self.stimulation.layer, example=samples.images[:_EXAMPLES]
        )
        candidates = pick_candidates(
            split,
            samples,
            images_per_class=self.stimulation.images_per_class,
            levels=self.stimulation.levels,
            targets_per_victim=self.stimulation.targets_per_victim,
        )
        images = {index: samples.of_class(index) for index in present}
        inversion = PatchInversion(split, candidates, images, self.inversion)
        alive = self._invert(inversion, progress)
        triggers = self._triggers(inversion, alive)
        return ScanResult(triggers=triggers, num_candidates=len(candidates), flags=bool(triggers))

    def _invert(self, inversion: PatchInversion, progress: Progress | None) -> Int[Tensor, " live"]:
        """Runs all rounds; gives the places of the candidates that live to the end."""
        alive = torch.arange(len(inversion.candidates))
        total = sum(each.steps for each in self.rounds)

        def report() -> None:
            if progress is not None:
                progress("inversion", inversion.steps_done, total)

        for each in self.rounds:
            if not len(alive):
                break
            inversion.forget_scores()
            inversion.run(
                each.steps,
                alive=alive,
                images_per_victim=each.images_per_victim,
                on_step=report,
            )
            alive = _living(inversion, alive, each)
        return alive

    def _triggers(
        self, inversion: PatchInversion, alive: Int[Tensor, " live"]
    ) -> tuple[InvertedTrigger, ...]:
        """The hardened triggers that meet the ASR bar, strongest first."""
        found = []
        measured = inversion.measure(alive=alive, harden=True)
        for place, (asr, probability) in zip(alive.tolist(), measured, strict=True):
            if asr < self.min_asr:
                continue
            victim, target, _ = inversion.candidates[place]
            mask, pattern = inversion.patch(place, harden=True)
            found.append(
                InvertedTrigger(
                    trigger=PatchTrigger(mask=mask, pattern=pattern),
                    victim_class=victim,
                    target_class=target,
                    asr=asr,
                    target_probability=probability,
                    source=self.name,
                )
            )
        return _strongest(found, self.triggers_per_victim)


def _living(
    inversion: PatchInversion, alive: Int[Tensor, " live"], done: InversionRound
) -> Int[Tensor, " left"]:
    """The candidates that go on after a round: good enough, and among the best of their victim."""
    scores = inversion.best_score.tolist()
    ranked = sorted(alive.tolist(), key=lambda place: -scores[place])
    kept: dict[int, list[int]] = {}
    for place in ranked:
        same_victim = kept.setdefault(inversion.candidates[place][0], [])
        if scores[place] >= done.min_score and len(same_victim) < done.keep:
            same_victim.append(place)
    places = sorted(place for several in kept.values() for place in several)
    return torch.tensor(places, dtype=torch.long)


def _strongest(triggers: Sequence[InvertedTrigger], per_victim: int) -> tuple[InvertedTrigger, ...]:
    """At most ``per_victim`` triggers of each victim, the strongest of all first."""
    ordered = sorted(triggers, key=lambda each: -(each.asr + each.target_probability))
    kept: list[InvertedTrigger] = []
    for trigger in ordered:
        before = sum(other.victim_class == trigger.victim_class for other in kept)
        if before < per_victim:
            kept.append(trigger)
    return tuple(kept)
