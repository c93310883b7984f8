"""How often a scan is right: the scanner alone beside scanner and judge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from exray.evaluation.records import Verdict


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The four ways a yes-or-no answer about a classifier can turn out.

    Args:
        tp: Trojaned models that were flagged.
        fp: Clean models that were flagged.
        tn: Clean models that were not.
        fn: Trojaned models that were not.

    Example:
        >>> result = Counts(tp=3, fp=1, tn=3, fn=1)
        >>> result.accuracy, result.balanced_accuracy, result.tpr, result.fpr
        (0.75, 0.75, 0.75, 0.25)
        >>> Counts(tp=0, fp=1, tn=1, fn=0).tpr
        nan
    """

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def total(self) -> int:
        """How many classifiers were counted."""
        return self.tp + self.fp + self.tn + self.fn

    @property
    def accuracy(self) -> float:
        """Fraction of right answers; nan without any."""
        return _ratio(self.tp + self.tn, self.total)

    @property
    def tpr(self) -> float:
        """Fraction of trojaned models that were flagged; nan where none is trojaned."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def fpr(self) -> float:
        """Fraction of clean models that were flagged; nan where none is clean."""
        return _ratio(self.fp, self.fp + self.tn)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the two classes' recalls; nan unless both kinds of model are there."""
        return (self.tpr + 1 - self.fpr) / 2


@dataclass(frozen=True, kw_only=True)
class LeftOut:
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
        told = f"Left out: {', '.join(parts)}." if parts else ""
        if self.num_without_flag:
            told += f" The scanner alone gave no answer for {self.num_without_flag}."
        return told.strip()


def counts(flagged: Sequence[bool], is_trojaned: Sequence[bool]) -> Counts:
    """The four counts of paired answers and truths.

    Args:
        flagged: Whether each classifier was called trojaned.
        is_trojaned: Whether it is.

    Raises:
        ValueError: If the two differ in length.

    Example:
        >>> counts([True, False, True], [True, True, False])
        Counts(tp=1, fp=1, tn=0, fn=1)
    """
    if len(flagged) != len(is_trojaned):
        raise ValueError(
            f"flagged and is_trojaned must be as long; got {len(flagged)} and {len(is_trojaned)}"
        )
    pairs = list(zip(flagged, is_trojaned, strict=True))
    return Counts(
        tp=pairs.count((True, True)),
        fp=pairs.count((True, False)),
        tn=pairs.count((False, False)),
        fn=pairs.count((False, True)),
    )


def with_judge(frame: pd.DataFrame) -> Counts:
    """Scanner and judge together: flagged where the verdict is ``trojaned``.

    An inconclusive verdict flags nothing. Failed scans and models of unknown ground truth are not
    counted; `left_out` says how many they are.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    rows = _comparable(frame)
    return _counts(rows["verdict"] == Verdict.TROJANED.value, rows["is_trojaned"])


def scanner_alone(frame: pd.DataFrame) -> Counts:
    """The scanner's own answer, without a judge; over the records that hold one.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    rows = _comparable(frame)
    rows = rows[rows["scanner_flags"].notna()]
    return _counts(rows["scanner_flags"], rows["is_trojaned"])


def all_clean(frame: pd.DataFrame) -> Counts:
    """The trivial rule that flags nothing, over the same records as `with_judge`.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    rows = _comparable(frame)
    return _counts(pd.Series(False, index=rows.index), rows["is_trojaned"])


def left_out(frame: pd.DataFrame) -> LeftOut:
    """How many records the counts leave out, and why.

    Args:
        frame: A row per record, as `collect` gives it.
    """
    done = frame[frame["status"] == "done"]
    rows = _comparable(frame)
    return LeftOut(
        num_failed=len(frame) - len(done),
        num_unknown_truth=len(done) - len(rows),
        num_without_flag=int(rows["scanner_flags"].isna().sum()),
    )


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame["status"] == "done") & frame["is_trojaned"].notna()]


def _counts(flagged: pd.Series, is_trojaned: pd.Series) -> Counts:
    return counts(flagged.astype(bool).tolist(), is_trojaned.astype(bool).tolist())


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
