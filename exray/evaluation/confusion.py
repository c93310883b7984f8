"""Counts of true and false positives and negatives."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


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
        """Fraction of right predictions; nan without any."""
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


def counts(flagged: Sequence[bool], is_trojaned: Sequence[bool]) -> Counts:
    """The four counts of paired predictions and truths.

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


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
