"""Words and numbers as reports show them."""

import math

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
