"""The paper's judge: differences two pairs of sample sets per trigger and compares the masks."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from pytorch_lightning.loggers import Logger

from exray.images.samples import SampleSet
from exray.judges.base import Judgement, LayerJudge, Progress, absence
from exray.judges.differencing.earlier_cut import earlier_measurements
from exray.judges.differencing.mask_measurements import MeasuredMasks, measure_masks
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.mask_progress import MaskProgress
from exray.judges.differencing.mask_search import MaskResult, MaskSearch
from exray.judges.differencing.set_pairs import DifferencingPlan, plan_pairs
from exray.judges.differencing.stamped_evidence import steadiness
from exray.judges.differencing.training_traces import training_traces
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.rules.base import DecisionRule
from exray.rules.calibration_facts import Facts
from exray.triggers.base import InvertedTrigger

_HIGHEST_NATURAL = math.nextafter(0.5, 0)  # score of a natural trigger


class ExrayJudge(LayerJudge):
    """Symmetric feature differencing.

    M1 tells the victim's samples from the target's, M2 the victim's samples from the same samples
    with the trigger; triggers of the same class pair share M1. All masks of a model are optimised
    together.

    Args:
        layer: Rule or module path at which the network is cut.
        mask: The mask optimisation's numbers.
        rule: Turns measurements into a verdict.
        margin: A trigger whose decisive measurement is within this distance of its threshold, or
            whose mask was never feasible, has its masks optimised again without early stopping
            before it is judged; 0 never does so.
        earlier_layer: Rule or module path of a second cut, at which similarities and cross
            accuracies are measured too (``earlier_...``); None for none. No verdict of the paper's
            rule rests on them.
        steadiness: Whether the victim's images are moved beneath each trigger too, which is
            measured anyway where the rule weighs it.
        max_triggers: Most triggers that are differenced, those of the highest success rate first;
            the rest is stored as natural and not judged. None differences all.
        mask_logger: Any Lightning logger, to which the mask optimisation is logged; None for none.

    Raises:
        ValueError: If ``margin`` lies outside [0, 1], or ``max_triggers`` is no positive number.

    Source: EX-RAY, section 3. *Differs from the paper:* only stamped images that do flip take part
    in M2, since (2) cannot hold for the others.
    """

    def __init__(
        self,
        *,
        layer: str,
        mask: MaskSettings,
        rule: DecisionRule,
        margin: float,
        earlier_layer: str | None = None,
        steadiness: bool = False,
        max_triggers: int | None = None,
        mask_logger: Logger | None = None,
    ) -> None:
        super().__init__(layer=layer)
        if not 0 <= margin <= 1:
            raise ValueError(f"margin must lie in [0, 1]; got {margin!r}")
        if max_triggers is not None and (isinstance(max_triggers, str) or max_triggers < 1):
            raise ValueError(
                f"max_triggers must be a positive number or null; got {max_triggers!r}"
            )
        self.earlier_layer = earlier_layer
        self.steadiness = steadiness
        self.max_triggers = max_triggers
        self.mask = mask
        self.rule = rule
        self.margin = margin
        self.mask_logger = mask_logger
        self.progress: Progress | None = None

    def judge(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """One judgement per trigger, with both masks.

        A trigger with an attack success rate of zero is not differenced: it is natural. Nor is one
        from or to a class without images, such as a target that the network gets wrong on all of
        its own images. A rule that weighs the scanner's measurements decides on all triggers, and
        on what differencing adds.
        """
        missing = [absence(samples, trigger) for trigger in triggers]
        most = self.max_triggers if self.rule.uses_masks else 0
        strongest = [at for at in strongest_triggers(triggers, most) if not missing[at]]
        judged = self._judge_all(classifier, samples, [triggers[at] for at in strongest])
        judgements = [self._not_judged(reason) for reason in missing]
        for at, judgement in zip(strongest, judged, strict=True):
            judgements[at] = judgement
        return judgements if self.rule.needs_masks else self._together(triggers, judgements)

    def _together(
        self, triggers: Sequence[InvertedTrigger], judgements: Sequence[Judgement]
    ) -> list[Judgement]:
        """The judgements that follow from all triggers of the model together."""
        both = list(zip(triggers, judgements, strict=True))
        decisions = self.rule.decide_model(
            [{**trigger.measurements, **judgement.measurements} for trigger, judgement in both],
            [trigger.target_class for trigger in triggers],
        )
        return [
            Judgement.of(decision, tensors=judgement.tensors)
            for decision, judgement in zip(decisions, judgements, strict=True)
        ]

    def check(self, classifier: Classifier, samples: SampleSet) -> None:
        """Refuses a classifier that cannot be cut at one of the layers.

        Args:
            classifier: The classifier to be scanned.
            samples: Its clean samples, at least one.

        Raises:
            LayerNotFoundError: If the network has no such layer.
            ValueError: If the network cannot be cut there.
        """
        super().check(classifier, samples)
        if self.earlier_layer is not None:
            SplitClassifier.of(classifier, self.earlier_layer, samples.images)

    def _judge_all(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """One judgement per trigger, all of them differenced."""
        if not triggers:
            return []
        plan = plan_pairs(self.split(classifier, samples), samples, triggers)
        traces = training_traces(classifier, samples, triggers)
        strengths = [
            {**trigger.measurements, **own, **left, **self._moved(classifier, samples, trigger)}
            for trigger, own, left in zip(triggers, plan.strengths, traces, strict=True)
        ]
        plan = replace(plan, strengths=strengths)
        if plan.pairs is None:
            return [self._without_success() for _ in triggers]
        watched = [] if self.progress is None else [MaskProgress(self.progress, self.mask.epochs)]
        search = MaskSearch(
            plan.head, plan.pairs, self.mask, logger=self.mask_logger, callbacks=watched
        )
        if self.earlier_layer is not None:
            plan = self._with_earlier_cut(plan, classifier, samples, triggers)
        judgements = self.judgements(plan, search.run())
        pairs = self.pairs_within_margin(plan, judgements)
        return self.judgements(plan, search.run_all_epochs(pairs)) if pairs else judgements

    def _moved(
        self, classifier: Classifier, samples: SampleSet, trigger: InvertedTrigger
    ) -> dict[str, float]:
        """The trigger's steadiness, where it is asked for or weighed."""
        if not (self.steadiness or self.rule.weighs("steadiness")):
            return {}
        images = samples.of_class(trigger.victim_class)
        own = steadiness(trigger.trigger, classifier, images, trigger.target_class)
        return {"steadiness": own}

    def _with_earlier_cut(
        self,
        plan: DifferencingPlan,
        classifier: Classifier,
        samples: SampleSet,
        triggers: Sequence[InvertedTrigger],
    ) -> DifferencingPlan:
        """The plan, its triggers' strengths with what the earlier cut says."""
        assert self.earlier_layer is not None
        split = SplitClassifier.of(classifier, self.earlier_layer, samples.images)
        earlier = earlier_measurements(split, samples, triggers, self.mask)
        both = zip(plan.strengths, earlier, strict=True)
        return replace(plan, strengths=[{**own, **other} for own, other in both])

    def for_scanner(self, scanner: str) -> "ExrayJudge":
        """The judge with its rule for a scanner's triggers.

        Args:
            scanner: The scanner's name in ``conf/scanner``.

        Raises:
            ValueError: If the file of the rule's calibration is missing.
        """
        judge = copy(self)
        judge.rule = self.rule.for_scanner(scanner)
        return judge

    def with_progress(self, progress: Progress | None) -> "ExrayJudge":
        """The judge as it reports the epochs of its masks.

        Args:
            progress: Called with the stage's name, the epochs done and the epochs in all.
        """
        judge = copy(self)
        judge.progress = progress
        return judge

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know about the rule's verdicts."""
        return self.rule.remarks

    def calibration_facts(self, judgements: Sequence[Judgement] = ()) -> Facts:
        """What the rule's probabilities rest on; empty where its scores are ranks.

        Args:
            judgements: Of the model's triggers.
        """
        return self.rule.calibration_facts([one.measurements for one in judgements])

    def fingerprint(self) -> str:
        """Hash of the file that the rule decides by; empty if its configuration says it all."""
        return self.rule.fingerprint

    @property
    def probability_without_triggers(self) -> float | None:
        """Probability that a model without any trigger is trojaned; None if the rule has none."""
        return self.rule.probability_without_triggers

    def pairs_within_margin(
        self, plan: DifferencingPlan, judgements: Sequence[Judgement]
    ) -> list[int]:
        """Pairs of the triggers whose verdicts a few more epochs might change, in order.

        None where no verdict rests on masks.

        Args:
            plan: Which pair of sets gives which mask.
            judgements: The plan's judgements.
        """
        if not (self.margin and self.rule.weighs_masks):
            return []
        places: set[int] = set()
        for both, judgement in zip(plan.places, judgements, strict=True):
            if both is None:
                continue
            if abs(self.rule.margin(judgement.measurements)) < self.margin:
                places |= set(both)
        return sorted(places)

    def judgements(self, plan: DifferencingPlan, masks: MaskResult) -> list[Judgement]:
        """One judgement per trigger of a plan.

        Args:
            plan: Which pair of sets gives which mask; not empty.
            masks: The masks of the plan's pairs.
        """
        return [
            self._without_success() if measured is None else self._judgement(measured)
            for measured in measure_masks(plan, masks, self.mask)
        ]

    def _judgement(self, measured: MeasuredMasks) -> Judgement:
        """The rule's verdict, with the masks for reports."""
        tensors = {"mask_victim_target": measured.first, "mask_victim_stamped": measured.second}
        return Judgement.of(self.rule.decide(measured.values), tensors=tensors)

    def _without_success(self) -> Judgement:
        """The judgement of a trigger with an attack success rate of zero."""
        return self._natural(
            "natural: it flips none of the victim's images, so it is no trigger at all",
            {"flipped": 0.0},
        )

    def _not_judged(self, missing: str) -> Judgement:
        """The judgement of a trigger whose classes lack images, or beyond ``max_triggers``."""
        beyond = f"max_triggers={self.max_triggers} triggers flip as many images or more"
        return self._natural(f"not judged: {missing or beyond}", {"judged": 0.0})

    def _natural(self, reason: str, measurements: dict[str, float]) -> Judgement:
        """The judgement of a trigger that was not differenced."""
        return Judgement(
            is_injected=False,
            score=min(self.probability_without_triggers or 0.0, _HIGHEST_NATURAL),
            reason=reason,
            measurements=measurements,
        )


def strongest_triggers(triggers: Sequence[InvertedTrigger], count: int | None) -> list[int]:
    """Indices of the triggers of the highest success rate, then target probability, in order.

    Args:
        triggers: All triggers of a model.
        count: Of how many; None for all.
    """
    ranked = sorted(
        range(len(triggers)),
        key=lambda at: (-triggers[at].asr, -triggers[at].target_probability, at),
    )
    return sorted(ranked[:count])
