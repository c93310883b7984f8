"""Other verdicts from stored measurements: no classifier, no torch, no second."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from exray.evaluation.predictions import Predictions, with_judge
from exray.evaluation.rejudging.base import Rejudgement, flagged_by_triggers, scored_by_triggers
from exray.evaluation.rejudging.random_forest import forest_scores
from exray.evaluation.rejudging.stored_measurements import (
    DIFFERENCED,
    columns_of,
    injected_by,
    measurements_of,
)
from exray.evaluation.thresholds import (
    best_separation,
    model_scores,
    swapped_halves,
    with_threshold,
)
from exray.rules.base import DecisionRule
from exray.rules.paper import PaperRule


class PaperRuleSweep(Rejudgement):
    """The paper's rule with other beta and gamma.

    Args:
        name: Of the files it writes.
        similarity_thresholds: Values of beta.
        cross_thresholds: Values of gamma.

    Raises:
        ValueError: If there is no value, or one outside (0, 1).

    Source: EX-RAY, appendix, figures 18 to 20.
    """

    def __init__(
        self,
        *,
        name: str,
        similarity_thresholds: tuple[float, ...],
        cross_thresholds: tuple[float, ...],
    ) -> None:
        self.name = name
        for key, values in (
            ("similarity_thresholds", similarity_thresholds),
            ("cross_thresholds", cross_thresholds),
        ):
            if not values or not all(0 < value < 1 for value in values):
                raise ValueError(f"{key} must hold values in (0, 1); got {list(values)}")
        self.similarity_thresholds = similarity_thresholds
        self.cross_thresholds = cross_thresholds

    def predictions(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """The predictions for every pair of thresholds."""
        measured = columns_of(triggers)
        flips = ~np.isnan(measured[DIFFERENCED[0]])  # one that flips nothing is not injected
        sweep = []
        for beta, gamma in itertools.product(self.similarity_thresholds, self.cross_thresholds):
            rule = PaperRule(similarity_threshold=beta, cross_threshold=gamma)
            injected = flips & rule.all_injected(measured)
            name = f"beta {beta:g}, gamma {gamma:g}"
            sweep.append(flagged_by_triggers(records, triggers, injected, name))
        return sweep


class RuleSweep(Rejudgement):
    """Other rules over the same masks.

    The authors' rules were made for masks of another loss than the paper's; over a run of
    ``judge=exray`` this asks what the rule alone changes. ``judge=released_patch`` and the like
    find the masks as the authors do.

    Args:
        name: Of the files it writes.
        rules: What decides.
        labels: What tables call each.

    Raises:
        ValueError: If there is no rule, or not as many labels.

    Source: the released code (facts, section 1.7).
    """

    def __init__(
        self, *, name: str, rules: Sequence[DecisionRule], labels: tuple[str, ...]
    ) -> None:
        self.name = name
        if not rules or len(rules) != len(labels):
            raise ValueError(f"labels must name each of the {len(rules)} rules; got {list(labels)}")
        self.rules = rules
        self.labels = labels

    def predictions(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """The predictions of every rule."""
        rows = measurements_of(triggers)
        return [
            flagged_by_triggers(records, triggers, injected_by(rule, rows), label)
            for rule, label in zip(self.rules, self.labels, strict=True)
        ]


class SizeSweep(Rejudgement):
    """The same verdicts, had the scanner's triggers been bound to other sizes.

    A bound below the scanner's own only forgets larger triggers; a scan with that bound might have
    found smaller ones for the same classes.

    Args:
        name: Of the files it writes.
        bounds: Greatest sizes, in pixels.

    Raises:
        ValueError: If there is no bound, or one that is not positive.

    Source: EX-RAY, figure 12. *Differs from the paper:* which scans anew for each bound.
    """

    def __init__(self, *, name: str, bounds: tuple[float, ...]) -> None:
        self.name = name
        if not bounds or not all(bound > 0 for bound in bounds):
            raise ValueError(f"bounds must hold positive sizes; got {list(bounds)}")
        self.bounds = bounds

    def predictions(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """The predictions for every bound, without and with the judge."""
        sweep = []
        for bound in self.bounds:
            within = (triggers["size_pixels"] <= bound).to_numpy(dtype=bool)
            judged = within & triggers["is_injected"].to_numpy(dtype=bool)
            sweep.append(
                flagged_by_triggers(records, triggers, within, f"scanner, up to {bound:g} px")
            )
            sweep.append(
                flagged_by_triggers(records, triggers, judged, f"judged, up to {bound:g} px")
            )
        return sweep


class SeparationRejudgement(Rejudgement):
    """The judge with its stored threshold, with the best one, and with one chosen on other models.

    Args:
        name: Of the files it writes.
        seed: Of the halves.

    Source: EX-RAY, section 4.1, for the best separation.
    """

    def __init__(self, *, name: str, seed: int) -> None:
        self.name = name
        self.seed = seed

    def predictions(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """Three ways to put one judge's threshold."""
        del triggers
        stored = with_judge(records, "threshold of the run")
        chosen = best_separation(model_scores(records), stored.is_trojaned)
        name = f"best separation of these models ({chosen.threshold:.3f})"
        return [
            stored,
            with_threshold(records, chosen.threshold, name),
            swapped_halves(records, "chosen on the other half", seed=self.seed),
        ]


class ForestRejudgement(Rejudgement):
    """The random forest of the paper's second baseline, over stored measurements.

    Args:
        name: Of the files it writes.
        trees: Trees of the forest; left open by the paper.
        seed: Of the halves and of the forest.

    Raises:
        ValueError: If ``trees`` is not positive.

    Source: EX-RAY, section 4.1, second baseline.
    """

    def __init__(self, *, name: str, trees: int, seed: int) -> None:
        self.name = name
        if not isinstance(trees, int) or trees < 1:
            raise ValueError(f"trees must be >= 1; got {trees!r}")
        self.trees = trees
        self.seed = seed

    def predictions(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """The forest's predictions: half the models train, half are judged, then swapped."""
        scores = forest_scores(records, triggers, trees=self.trees, seed=self.seed)
        return [scored_by_triggers(records, triggers, scores, "random forest, halves swapped")]
