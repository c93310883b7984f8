"""Values of strangers as short text for messages."""

from collections.abc import Sequence


def shown(name: str, limit: int = 80) -> str:
    r"""A stranger's name in ASCII, on one line and at most ``limit`` characters long.

    Example:
        >>> shown("a" + chr(10) + "b")
        'a\\nb'
    """
    text = ascii(name)[1:-1]
    return text if len(text) <= limit else text[:limit] + "..."


def some(names: Sequence[str], limit: int = 3) -> str:
    """The first few of the names, and how many more there are; each as :func:`shown`.

    Example:
        >>> some(["a", "b", "c"], limit=2)
        'a, b and 1 more'
    """
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(shown(name, 160) for name in names[:limit]) + more
