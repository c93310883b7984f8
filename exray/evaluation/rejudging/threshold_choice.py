"""What is chosen on one run, written with its provenance, and frozen for another."""

import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from exray.evaluation.predictions import Predictions, with_judge
from exray.evaluation.rejudging.base import Rejudgement, flagged_by_triggers
from exray.evaluation.rejudging.stored_measurements import injected_by, measurements_of
from exray.evaluation.thresholds import best_separation, model_scores, with_threshold
from exray.rules.paper import PaperRule

FORMAT = 1
OWN = "as it ran"
_RULE_JUDGE = "exray"  # whose two thresholds are chosen; of other judges it is the score's
_PAPER = 0.8


@dataclass(frozen=True, kw_only=True)
class ChoiceResult:
    """What a run decided on, to be written down.

    Args:
        predictions: Ways of deciding to show, among them the chosen one.
        content: What goes to the file, less the provenance.
        how: The part of the provenance that says how it was chosen.
    """

    predictions: list[Predictions]
    content: Mapping[str, object]
    how: Mapping[str, object]


class Choice(Rejudgement):
    """Chooses something on a run's records, for other runs.

    Attributes:
        file: Where the choice is written; None for ``rejudged/<name>.json`` in the run's folder.
        runs: Names of further runs whose records it is made on.
    """

    file: str | None
    runs: tuple[str, ...] = ()

    @abstractmethod
    def choose(self, records: pd.DataFrame, triggers: pd.DataFrame) -> ChoiceResult:
        """The choice.

        Args:
            records: A row per record, as `collect` gives it.
            triggers: A row per trigger, as `trigger_frame` gives it.

        Raises:
            ValueError: If the stored measurements are not the ones it needs.
        """

    def predictions(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """The ways of deciding that the choice shows."""
        return self.choose(records, triggers).predictions


class ThresholdChoice(Choice):
    """The threshold that separates a run's models best, to be frozen for another run.

    Of ``judge=exray`` it is the paper's pair, beta and gamma, of equally good ones the nearest to
    the paper's 0.8 and 0.8; of any other judge it is one threshold on the score.

    Args:
        name: Of the files it writes.
        file: Where the choice is written; None for the run's folder.
        similarity_thresholds: Values of beta to choose from.
        cross_thresholds: Values of gamma to choose from.

    Raises:
        ValueError: If there is no value to choose from, or one outside (0, 1).
    """

    def __init__(
        self,
        *,
        name: str,
        file: str | None,
        similarity_thresholds: tuple[float, ...],
        cross_thresholds: tuple[float, ...],
    ) -> None:
        if not similarity_thresholds or not cross_thresholds:
            raise ValueError("similarity_thresholds and cross_thresholds must hold values")
        self.name = name
        self.file = file
        pairs = [(beta, gamma) for beta in similarity_thresholds for gamma in cross_thresholds]
        self.rules = [
            PaperRule(similarity_threshold=beta, cross_threshold=gamma)
            for beta, gamma in sorted(pairs, key=lambda pair: math.dist(pair, (_PAPER, _PAPER)))
        ]

    def choose(self, records: pd.DataFrame, triggers: pd.DataFrame) -> ChoiceResult:
        """The threshold, or the two, with the highest accuracy."""
        judge = judge_of(records)
        stored = with_judge(records, OWN)
        content: dict[str, object] = {"kind": "threshold", "format": FORMAT, "judge": judge}
        if judge == _RULE_JUDGE:
            rows = measurements_of(triggers)
            candidates = [
                flagged_by_triggers(records, triggers, injected_by(rule, rows), "chosen here")
                for rule in self.rules
            ]
            best = int(np.argmax([predictions.is_right.sum() for predictions in candidates]))
            content |= self.rules[best].thresholds
            chosen = candidates[best]
        else:
            bar = best_separation(model_scores(records), stored.is_trojaned).threshold
            content["score"] = bar if math.isfinite(bar) else None
            chosen = with_threshold(records, bar, "chosen here")
        how = {"chosen_by": "highest accuracy on the run's models"}
        return ChoiceResult(predictions=[stored, chosen], content=content, how=how)


class FrozenThreshold(Rejudgement):
    """A judge with the threshold that another run chose, beside the best for these very models.

    Args:
        name: Of the files it writes.
        file: The choice, as ``rejudge=choose`` writes it.

    Raises:
        ValueError: If the file is missing or holds no threshold.
    """

    def __init__(self, *, name: str, file: str) -> None:
        self.name = name
        self.choice = _read_threshold(Path(file))

    def predictions(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """The judge as it ran, by its best separation and frozen."""
        judge = judge_of(records)
        if judge != self.choice["judge"]:
            raise ValueError(
                f"the threshold was chosen for judge={self.choice['judge']} and this run is of "
                f"judge={judge}; give its own by rejudge.file=FILE"
            )
        stored = with_judge(records, OWN)
        best = best_separation(model_scores(records), stored.is_trojaned).threshold
        name = f"best separation of these models ({best:.3f})"
        return [stored, with_threshold(records, best, name), self._frozen(records, triggers)]

    def _frozen(self, records: pd.DataFrame, triggers: pd.DataFrame) -> Predictions:
        if "score" in self.choice:
            bar = self.choice["score"]
            limit = math.inf if bar is None else float(str(bar))
            return with_threshold(records, limit, f"frozen ({limit:.3f})")
        beta, gamma = (float(str(self.choice[key])) for key in ("similarity", "cross_accuracy"))
        rule = PaperRule(similarity_threshold=beta, cross_threshold=gamma)
        injected = injected_by(rule, measurements_of(triggers))
        name = f"frozen (beta {beta:g}, gamma {gamma:g})"
        return flagged_by_triggers(records, triggers, injected, name)


def judge_of(records: pd.DataFrame) -> str:
    """The judge of a run's records.

    Raises:
        ValueError: If there are several.
    """
    judges = sorted(set(records["judge"].astype(str)))
    if len(judges) != 1:
        raise ValueError(f"a threshold is one judge's; the records are of {', '.join(judges)}")
    return judges[0]


def _read_threshold(path: Path) -> dict[str, object]:
    way_out = "write one by task=rejudge rejudge=choose on a tuning run"
    if not path.is_file():
        raise ValueError(f"there is no threshold at {path}; {way_out}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}); {way_out}") from error
    if not isinstance(values, dict) or values.get("kind") != "threshold":
        raise ValueError(f"{path} holds no threshold; {way_out}")
    bars = [values.get(key) for key in ("score", "similarity", "cross_accuracy") if key in values]
    numbers = [bar for bar in bars if isinstance(bar, float | int) and 0 <= bar <= 1]
    if values.get("format") != FORMAT or not bars or len(numbers) + bars.count(None) < len(bars):
        raise ValueError(f"{path} holds no threshold in [0, 1] of format {FORMAT}; {way_out}")
    return values
