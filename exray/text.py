"""Text that several packages write: short forms of strangers' values, and Markdown tables."""

from collections.abc import Iterable, Sequence


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


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""A Markdown table that ends with a line break.

    Args:
        header: A name per column.
        rows: As many cells each; what ``str`` makes of a cell must hold no ``|``.

    Example:
        >>> print(markdown_table(["row", "TP"], [["exray", 3]]), end="")
        | row | TP |
        |---|---|
        | exray | 3 |
    """
    lines = [_markdown_line(header), "|---" * len(header) + "|", *map(_markdown_line, rows)]
    return "".join(f"{line}\n" for line in lines)


def _markdown_line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
