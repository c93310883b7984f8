"""All-to-all triggers: one patch for all classes, each free to choose where it goes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.scanners.inversion.interfaces import Candidate, View
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.strength import Strength, capped
from exray.scanners.portfolio.evidence import success_bound
from exray.scanners.portfolio.kinds.base import TriggerKind
from exray.scanners.portfolio.scene import Scene
from exray.scanners.portfolio.search import Findings, Search, report_of
from exray.scanners.portfolio.stages import Stage, StagedInversion
from exray.scanners.validation import require_count, require_fraction
from exray.triggers.base import InvertedTrigger, Trigger

_FLIPPED = 0.5  # share of a class's images from which the class counts as flipped
_LEAST_TARGETS = 2  # distinct ones; with a single one it is a universal trigger


class FreeTargets(Strength):
    """The strength towards whatever class each victim class is driven to.

    Args:
        labels: Class of each image, in the order in which the inversion takes them.
    """

    def __init__(self, labels: Int[Tensor, " m"]) -> None:
        super().__init__()
        self._labels = labels

    def leads(self, view: View) -> Float[Tensor, "p m"]:
        """Per image the capped lead of its class's target."""
        labels = self._labels[: view.logits.shape[1]]
        targets = targets_of(view.logits.detach(), labels)
        where = targets[:, labels][..., None]
        others = view.logits.scatter(2, where, -torch.inf).amax(dim=2)
        return capped(view.logits.gather(2, where)[..., 0] - others)


def targets_of(logits: Float[Tensor, "p m k"], labels: Int[Tensor, " m"]) -> Int[Tensor, "p k"]:
    """The class, other than itself, with the highest mean logit on each class's images.

    Args:
        logits: Of stamped images, a row per candidate.
        labels: Class of each image.

    Example:
        >>> logits = torch.tensor([[[9.0, 1.0, 2.0], [3.0, 9.0, 0.0]]])
        >>> targets_of(logits, torch.tensor([0, 1]))[0, :2]
        tensor([2, 0])
    """
    count = logits.shape[2]
    sums = logits.new_zeros(logits.shape[0], count, count).index_add_(1, labels, logits)
    sums.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    return sums.argmax(dim=2)


@dataclass(frozen=True, kw_only=True)
class ManyTargetsSearch(Search):
    """Looks for one trigger that sends each class to a class of its own.

    No trigger with a single target expresses an all-to-all backdoor, whose target is the label plus
    one or any other map. What comes out counts only if it reaches several targets.

    Args:
        name: Recorded as the triggers' source.
        kind: What is optimised.
        inversion: Adam's settings; without noise.
        stages: One after the other.
        starts: Candidates, each from a start of its own where the kind has several.
        min_asr: Share of held-out images that must reach their class's target.
        good_asr: Share from which the trigger of a smaller bound is taken.
        first_bound: Bound from which the inversion starts.

    Raises:
        ValueError: If a setting is out of range or there is no stage.

    Source: none; all-to-all attacks, Gu et al. 2017.
    """

    kind: TriggerKind
    inversion: InversionSettings
    stages: Sequence[Stage]
    min_asr: float
    good_asr: float
    first_bound: float = 1.0
    starts: int = 1

    def __post_init__(self) -> None:
        require_fraction("min_asr", self.min_asr)
        require_fraction("good_asr", self.good_asr)
        require_fraction("first_bound", self.first_bound)
        require_count("starts", self.starts)
        if not self.stages:
            raise ValueError("stages must hold one or more; got none")
        self.kind.check_bounds([stage.bound for stage in self.stages])

    @property
    def num_steps(self) -> int:
        """Steps in all."""
        return sum(stage.steps for stage in self.stages)

    def run(self, scene: Scene) -> Findings:
        """The best trigger if it reaches several targets, and what was tried.

        Args:
            scene: The classifier and its images.
        """
        begun = time.perf_counter()
        candidates = [
            Candidate(victims=scene.present, target=scene.present[0], restart=start)
            for start in range(self.kind.num_starts(scene, most=self.starts))
        ]
        labels = _labels_in_turn(scene)
        staged = StagedInversion(
            scene,
            self.kind,
            candidates,
            optimizer=self.inversion,
            first_bound=self.first_bound,
            objective=FreeTargets(labels),
        )
        chosen: InvertedTrigger | None = None
        strengths: list[float] = []
        measured: dict[str, float] = {}
        for stage in self.stages:
            reached = staged.run(stage, range(len(candidates)))
            results = [self._described(scene, one.trigger) for one in reached.values()]
            result = max(results, key=lambda one: one.measurements["strength"])
            measured[f"strength_{stage.name}"] = result.measurements["strength"]
            strengths.append(result.measurements["strength"])
            counts = result.measurements["num_targets"] >= _LEAST_TARGETS
            bar = self.min_asr if chosen is None else self.good_asr
            if counts and result.asr >= bar:
                chosen = result
        triggers: tuple[InvertedTrigger, ...] = ()
        if chosen is not None:
            triggers = (replace(chosen, measurements={**measured, **chosen.measurements}),)
        report = report_of(
            self.name, [staged], begun=begun, num_found=len(triggers), strengths=strengths
        )
        return Findings(triggers=triggers, report=report)

    def _described(self, scene: Scene, trigger: Trigger) -> InvertedTrigger:
        """The trigger on held-out images: the share that goes where its class goes."""
        held_out = scene.held_out
        logits = scene.classifier.predict(trigger.apply(held_out.images))
        targets = targets_of(logits[None], held_out.labels)[0]
        leads = _leads_towards(logits, targets[held_out.labels])
        hits = leads > 0
        rates = {
            victim: float(hits[held_out.labels == victim].double().mean())
            for victim in scene.present
        }
        flipped = [victim for victim, rate in rates.items() if rate >= _FLIPPED]
        reached = {int(targets[victim]) for victim in flipped}
        victim = max(rates, key=lambda index: rates[index])
        target = int(targets[victim])
        probabilities = logits.softmax(dim=1).gather(1, targets[held_out.labels][:, None])
        return InvertedTrigger(
            trigger=trigger,
            victim_class=victim,
            target_class=target,
            asr=float(hits.double().mean()),
            target_probability=float(probabilities.mean()),
            source=self.name,
            measurements={
                "asr_lower": success_bound(int(hits.sum()), len(hits)),
                "num_held_out": float(len(hits)),
                "strength": float(capped(leads).mean()),
                "universality": len(flipped) / len(scene.present),
                "num_targets": float(len(reached)),
                "targets_share": len(reached) / len(scene.present),
                "is_universal": 1.0,
                f"is_{self.name}": 1.0,
            },
        )


def _leads_towards(logits: Float[Tensor, "n k"], targets: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Each image's own target's logit minus the highest other one."""
    where = targets[:, None]
    others = logits.scatter(1, where, -torch.inf).amax(dim=1)
    return logits.gather(1, where)[:, 0] - others


def _labels_in_turn(scene: Scene) -> Int[Tensor, " m"]:
    """Labels of the images to search on, in the order in which a pool takes them."""
    counts = scene.search.counts()
    turns = sorted(
        (turn, place) for place, index in enumerate(scene.present) for turn in range(counts[index])
    )
    return scene.search.labels.new_tensor([scene.present[place] for _, place in turns])
