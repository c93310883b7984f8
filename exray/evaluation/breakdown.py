"""The figures apart by architecture, by trigger, by number of classes."""

import itertools
import math
from collections.abc import Iterator

import pandas as pd

from exray.evaluation.bootstrap import RESAMPLES
from exray.evaluation.metrics import Statistics, statistics
from exray.evaluation.predictions import with_judge

FACTORS = ("architecture", "num_classes", "trigger_kind", "trigger_reach", "trigger_size")
_OF_TRIGGERS = ("trigger_kind", "trigger_reach", "trigger_size")
SIZE_BINS = 4


def by_factor(
    frame: pd.DataFrame, factor: str, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Statistics]:
    """The judge's figures for each level of one factor, in the levels' order.

    Clean models have no trigger: for the factors of triggers every level is set against all of
    them, as the paper's Table 1 does. Sizes are cut into quarters of the trojaned models.

    Args:
        frame: A row per record, as `collect` gives it.
        factor: One of `FACTORS`.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Statistics named after the level; none where the records do not know the factor.

    Raises:
        ValueError: If there is no such factor.
    """
    if factor not in FACTORS:
        raise ValueError(f"factor must be one of {', '.join(FACTORS)}; got {factor!r}")
    if factor not in frame.columns:
        return []
    return [
        statistics(with_judge(rows, level), resamples=resamples, seed=seed)
        for level, rows in _levels(frame, factor)
    ]


def _levels(frame: pd.DataFrame, factor: str) -> Iterator[tuple[str, pd.DataFrame]]:
    if factor not in _OF_TRIGGERS:
        for level, rows in frame.groupby(factor, sort=True):
            yield f"{level} classes" if factor == "num_classes" else str(level), rows
        return
    trojaned = frame["is_trojaned"].fillna(False).astype(bool)
    clean = frame[frame["is_trojaned"].notna() & ~trojaned]
    for level, rows in _trigger_groups(frame[trojaned], factor):
        yield level, pd.concat([rows, clean])


def _trigger_groups(frame: pd.DataFrame, factor: str) -> Iterator[tuple[str, pd.DataFrame]]:
    if factor != "trigger_size":
        named = frame[frame[factor].fillna("") != ""]
        for level, rows in named.groupby(factor, sort=True):
            yield str(level), rows
        return
    sizes = frame[factor].dropna()
    if sizes.empty:
        return
    edges = sorted(set(sizes.quantile([part / SIZE_BINS for part in range(SIZE_BINS + 1)])))
    bounds = [-math.inf, *edges[1:-1], math.inf]
    for low, high in itertools.pairwise(bounds):
        rows = frame[(frame[factor] > low) & (frame[factor] <= high)]
        if len(rows):
            yield f"{rows[factor].min():.0f} to {rows[factor].max():.0f} px", rows
