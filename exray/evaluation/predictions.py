"""Predictions about classifiers, by whom, and how they count."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from exray.evaluation.confusion import Counts, counts
from exray.rules.verdict import Verdict


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What one way of deciding says about some classifiers of known ground truth.

    Args:
        name: The way of deciding, as tables call it.
        model_ids: The classifiers.
        is_trojaned: Their ground truth.
        flagged: Whether each was called trojaned.
        probability: Probability of each of being trojaned, in [0, 1]; nan where a way of
            deciding gives none.

    Raises:
        ValueError: If the four differ in length, or a probability leaves [0, 1].
    """

    name: str
    model_ids: tuple[str, ...]
    is_trojaned: Bool[ndarray, " n"]
    flagged: Bool[ndarray, " n"]
    probability: Float[ndarray, " n"]

    def __post_init__(self) -> None:
        lengths = [len(self.model_ids), len(self.is_trojaned), len(self.flagged)]
        lengths.append(len(self.probability))
        if len(set(lengths)) > 1:
            raise ValueError(
                f"model_ids, is_trojaned, flagged and probability must be as long; got {lengths}"
            )
        known = self.probability[~np.isnan(self.probability)]
        if known.size and not (known.min() >= 0 and known.max() <= 1):
            raise ValueError(
                f"probability must lie in [0, 1]; got values from {known.min():g} to "
                f"{known.max():g}"
            )

    def __len__(self) -> int:
        return len(self.model_ids)

    @property
    def counts(self) -> Counts:
        """The four counts."""
        return counts(self.flagged.tolist(), self.is_trojaned.tolist())

    @property
    def is_right(self) -> Bool[ndarray, " n"]:
        """Whether each prediction is the truth."""
        right: Bool[ndarray, " n"] = self.flagged == self.is_trojaned
        return right

    def select(self, rows: Int[ndarray, " m"]) -> "Predictions":
        """The predictions in some rows, in their order."""
        return Predictions(
            name=self.name,
            model_ids=tuple(self.model_ids[row] for row in rows),
            is_trojaned=self.is_trojaned[rows],
            flagged=self.flagged[rows],
            probability=self.probability[rows],
        )


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """Records that no count can include.

    Args:
        num_failed: Scans that failed.
        num_unknown_truth: Finished scans of models whose ground truth is unknown.
        num_without_flag: Finished scans with ground truth whose scanner alone said nothing.
    """

    num_failed: int
    num_unknown_truth: int
    num_without_flag: int

    @property
    def caption(self) -> str:
        """What is left out, in words; empty where nothing is."""
        parts = []
        if self.num_failed:
            parts.append(f"{self.num_failed} failed")
        if self.num_unknown_truth:
            parts.append(f"{self.num_unknown_truth} of unknown ground truth")
        caption = f"Left out: {', '.join(parts)}." if parts else ""
        if self.num_without_flag:
            caption += f" The scanner alone gave no answer for {self.num_without_flag}."
        return caption.strip()


def with_judge(frame: pd.DataFrame, name: str = "scanner + judge") -> Predictions:
    """Scanner and judge together: flagged where the verdict is ``trojaned``.

    An inconclusive verdict flags nothing. Failed scans and models of unknown ground truth are not
    among the predictions; `left_out` says how many they are.

    Args:
        frame: A row per record, as `collect` gives it.
        name: What tables call it.
    """
    rows = _comparable(frame)
    return _predictions(name, rows, rows["verdict"] == Verdict.TROJANED.value, rows["probability"])


def scanner_alone(frame: pd.DataFrame) -> Predictions:
    """The scanner's own answer, without a judge; over the records that hold one.

    It is a yes or no without a probability. ``judge=none`` ranks its models by ASR.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    rows = _comparable(frame)
    rows = rows[rows["scanner_flags"].notna()]
    nothing = pd.Series(math.nan, index=rows.index)
    return _predictions("scanner alone", rows, rows["scanner_flags"], nothing)


def all_clean(frame: pd.DataFrame) -> Predictions:
    """The trivial rule that flags nothing, over the same records as `with_judge`.

    Its probability is the share of trojaned models, the best constant there is.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    rows = _comparable(frame)
    share = float(rows["is_trojaned"].astype(bool).mean()) if len(rows) else math.nan
    nothing, constant = (pd.Series(value, index=rows.index) for value in (False, share))
    return _predictions("trivial rule: all clean", rows, nothing, constant)


def left_out(frame: pd.DataFrame) -> CrossValidation:
    """How many records the counts leave out, and why.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    done = frame[frame["status"] == "done"]
    rows = _comparable(frame)
    return CrossValidation(
        num_failed=len(frame) - len(done),
        num_unknown_truth=len(done) - len(rows),
        num_without_flag=int(rows["scanner_flags"].isna().sum()),
    )


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame["status"] == "done") & frame["is_trojaned"].notna()]


def _predictions(
    name: str, rows: pd.DataFrame, flagged: pd.Series, probability: pd.Series
) -> Predictions:
    return Predictions(
        name=name,
        model_ids=tuple(rows["model_id"].astype(str)),
        is_trojaned=rows["is_trojaned"].to_numpy(dtype=bool),
        flagged=flagged.to_numpy(dtype=bool),
        probability=probability.to_numpy(dtype=np.float64),
    )
