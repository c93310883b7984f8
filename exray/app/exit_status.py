"""The exit status of ``exray scan``. Imports nothing slow."""

from collections.abc import Sequence

MISTAKE, INTERRUPTED = 2, 130
STATUS = {"clean": 0, "natural-only": 0, "trojaned": 1, "failed": 2, "inconclusive": 3}
_WORST_FIRST = (1, 2, 3, 0)


def worst_status(statuses: Sequence[int]) -> int:
    """The exit status of several scans: trojaned over failed over inconclusive over clean.

    Args:
        statuses: Of each model; one or more.

    Example:
        >>> worst_status([0, 3, 2]), worst_status([2, 1, 0]), worst_status([0, 3])
        (2, 1, 3)
    """
    return min(statuses, key=_WORST_FIRST.index)
