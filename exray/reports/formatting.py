"""Words and numbers as reports show them."""

import math
from collections.abc import Mapping, Sequence

from rich.text import Text

from exray.evaluation.bootstrap import Estimate
from exray.results.records import TriggerRecord

ABSENT = "-"


def truth_word(is_trojaned: bool | None) -> str:
    """Ground truth in a word; a dash where it is unknown."""
    return {True: "trojaned", False: "clean", None: ABSENT}[is_trojaned]


def trigger_word(trigger: TriggerRecord) -> str:
    """A trigger's verdict in a word."""
    return "injected" if trigger.is_injected else "natural"


def number(value: float | None, digits: int) -> str:
    """A number to so many decimals; a dash where there is none.

    Args:
        value: The number, None or nan.
        digits: Decimals.

    Example:
        >>> number(0.12345, 3), number(None, 3), number(float("nan"), 3)
        ('0.123', '-', '-')
    """
    return ABSENT if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percentage(share: float) -> str:
    """A share in per cent.

    Args:
        share: A fraction.

    Example:
        >>> percentage(0.97)
        '97 %'
    """
    return f"{share:.0%}".replace("%", " %")


def searched_words(searches: Sequence[Mapping[str, str | int | float | None]]) -> str:
    """What a scanner's searches came to: how many, of how many candidates, and the strongest.

    Args:
        searches: As a record holds them, at least one.

    Example:
        >>> one = {"name": "patch", "num_candidates": 10, "num_found": 0, "best_strength": -2.31}
        >>> other = {"name": "warp", "num_candidates": 16, "num_found": 1, "best_strength": 7.0}
        >>> searched_words([one, other])
        '26 candidates in 2 searches, 1 found; strongest: warp 7.0'
    """
    candidates = sum(int(search["num_candidates"] or 0) for search in searches)
    found = sum(int(search["num_found"] or 0) for search in searches)
    strengths = {
        str(search["name"]): float(search["best_strength"])
        for search in searches
        if search["best_strength"] is not None
    }
    plural = "search" if len(searches) == 1 else "searches"
    words = f"{candidates} candidates in {len(searches)} {plural}, {found} found"
    if not strengths:
        return words
    best = max(strengths, key=lambda name: strengths[name])
    return f"{words}; strongest: {best} {number(strengths[best], 1)}"


def with_interval(estimate: Estimate, *, digits: int = 3, separator: str = " ") -> str:
    """A figure with its interval in brackets; a dash where it is not defined.

    Args:
        estimate: The figure.
        digits: Decimals.
        separator: Between the figure and the bracket.

    Example:
        >>> with_interval(Estimate(value=0.75, low=0.5, high=1.0), digits=2)
        '0.75 [0.50, 1.00]'
        >>> with_interval(Estimate(value=math.nan, low=math.nan, high=math.nan))
        '-'
    """
    if math.isnan(estimate.value) or math.isnan(estimate.low):
        return number(estimate.value, digits)
    ends = f"[{number(estimate.low, digits)}, {number(estimate.high, digits)}]"
    return f"{number(estimate.value, digits)}{separator}{ends}"


def clean_text(text: str, style: str = "") -> Text:
    r"""A stranger's text without what a terminal would obey.

    Args:
        text: Class names, model ids and messages, from anywhere.
        style: A rich style for all of it.

    Example:
        >>> clean_text("[bold]\x1b[2Jstop").plain
        '[bold]?[2Jstop'
    """
    return Text("".join(char if char.isprintable() else "?" for char in text), style=style)
