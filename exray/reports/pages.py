"""A long list of models over several pages, each small enough to open at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

MODELS_PER_PAGE = 100
DRAWN_PER_PAGE = 75  # cards with pictures: below 20 MB even if all pictures are white noise


@dataclass(frozen=True, kw_only=True)
class PageLink:
    """The way to a page.

    Args:
        address: Its file's name.
        label: Its first model and its last.
        is_current: Whether it is the page that shows the link.
    """

    address: str
    label: str
    is_current: bool


def parts(items: Sequence[Item], num_drawn: Callable[[Item], int]) -> list[Sequence[Item]]:
    """The items of each page, in their order; one empty page if there are none.

    Args:
        items: The models.
        num_drawn: How many cards with pictures one has.

    Example:
        >>> [len(part) for part in parts(list(range(250)), lambda item: 0)]
        [100, 100, 50]
        >>> [len(part) for part in parts(list(range(25)), lambda item: 10)]
        [7, 7, 7, 4]
    """
    begins, drawn = [0], 0
    for place, item in enumerate(items):
        own = num_drawn(item)
        is_full = place - begins[-1] >= MODELS_PER_PAGE or drawn + own > DRAWN_PER_PAGE
        if is_full and place > begins[-1]:
            begins.append(place)
            drawn = 0
        drawn += own
    return [items[begin:end] for begin, end in zip(begins, [*begins[1:], None], strict=True)]


def page_path(path: Path, number: int) -> Path:
    """The file of a page; the first has the name that was asked for.

    Args:
        path: The first page's.
        number: From 1.

    Example:
        >>> page_path(Path("run/report.html"), 2).name
        'report-2.html'
    """
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def page_links(path: Path, labels: Sequence[str], current: int) -> list[PageLink]:
    """The ways to all pages; none where there is one page.

    Args:
        path: The first page's file.
        labels: Of the pages, in their order.
        current: Number of the page that shows the links, from 1.
    """
    if len(labels) == 1:
        return []
    return [
        PageLink(address=page_path(path, number).name, label=label, is_current=number == current)
        for number, label in enumerate(labels, start=1)
    ]


def remove_pages_beyond(path: Path, count: int) -> None:
    """Removes the pages that an earlier, longer list has left.

    Args:
        path: The first page's file.
        count: How many pages there are now.
    """
    for leftover in _further_pages(path):
        if int(leftover.stem.rpartition("-")[2]) > count:
            leftover.unlink(missing_ok=True)


def _further_pages(path: Path) -> Iterator[Path]:
    for place in path.parent.glob(f"{path.stem}-*{path.suffix}"):
        if place.stem.removeprefix(f"{path.stem}-").isdigit():
            yield place
