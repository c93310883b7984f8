"""Which of several splits is taken: validation images before test and training images."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

_SPLITS = (
    "val",
    "validation",
    "valid",
    "dev",
    "eval",
    "test",
    "testing",
    "final_test",
    "train",
    "training",
)
_IN_NAME = re.compile(rf"(?:^|[-_./])({'|'.join(_SPLITS)}|t10k)(?=[-_.]|$)", re.IGNORECASE)
_Item = TypeVar("_Item")


def split_folders(folders: Sequence[Path]) -> list[Path]:
    """The folders that are splits of a dataset, the preferred one first; empty if they are classes.

    A single folder with a split's name beside others may be a class; two are not.

    Args:
        folders: All folders in one place.

    Example:
        >>> [path.name for path in split_folders([Path("train"), Path("meta"), Path("Val")])]
        ['Val', 'train']
        >>> split_folders([Path("train"), Path("plane")])
        []
    """
    splits = [path for path in folders if path.name.lower() in _SPLITS]
    if len(splits) < 2 and len(splits) < len(folders):
        return []
    return sorted(splits, key=lambda path: _SPLITS.index(path.name.lower()))


def split_of(name: str) -> str:
    """The split that a file's name speaks of; empty where it speaks of none.

    Example:
        >>> split_of("test-00000-of-00001.parquet"), split_of("cifar10-train.arrow"), split_of("a")
        ('test', 'train', '')
    """
    match = _IN_NAME.search(name)
    return "" if match is None else match[1].lower().replace("t10k", "test")


def in_order_of_splits(items: Iterable[tuple[str, _Item]]) -> list[tuple[str, list[_Item]]]:
    """The items of each split, the preferred split first, and those without one last.

    Args:
        items: Each with its split, as :func:`split_of` gives it.

    Example:
        >>> in_order_of_splits([("train", 1), ("test", 2), ("test", 3)])
        [('test', [2, 3]), ('train', [1])]
    """
    by_split: dict[str, list[_Item]] = {}
    for split, item in items:
        by_split.setdefault(split, []).append(item)
    return sorted(by_split.items(), key=lambda pair: (*_SPLITS, "").index(pair[0]))


def said(split: str, place: Path, *, is_only: bool = False) -> tuple[str, ...]:
    """What to say of a split that was taken; nothing where there is no other.

    Args:
        split: What is taken; empty where there was no choice.
        place: What holds it.
        is_only: Whether there is no other.

    Example:
        >>> said("test images", Path("mnist"))
        ('of mnist the test images are taken',)
    """
    return () if is_only or not split else (f"of {place} the {split} are taken",)


def images_of(split: str) -> str:
    """A split's images, for a sentence; empty where there is no split.

    Example:
        >>> images_of("val")
        'val images'
    """
    return f"{split} images" if split else ""
