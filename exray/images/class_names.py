"""Which class a name means: ``classes.json``, a model's own names, ImageFolder's order."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from exray.text import shown, some

MAX_CLASSES = 100_000  # a larger index is a mistake in a name, and a name for each class is made
CLASSES_FILE = "classes.json"
_MAX_LISTED = 10  # names in a message; the others are counted
WAY_OUT = (
    "name each folder by its class's index, counted from 0, or write "
    f'{CLASSES_FILE} into the folder: {{"cat": 0, "dog": 1}}'
)

NO_NAMES: Mapping[str, int] = MappingProxyType({})
"""The names of a classifier that gives its classes none."""

ClassKey = int | str
"""How images say their class: by its index, or by a name whose index is not known yet."""


@dataclass(frozen=True, kw_only=True)
class ClassOrder:
    """The index of each class that images speak of.

    Args:
        indices: Class index of each key.
        names: Name of each index that has one.
        remarks: How the indices were found where nothing stated them, one sentence each.
    """

    indices: Mapping[ClassKey, int]
    names: Mapping[int, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def read_class_indices(root: Path) -> dict[str, int]:
    """The index of each class name in the folder's ``classes.json``; empty without that file.

    Args:
        root: The folder that may hold it.

    Raises:
        ValueError: If the file is neither ``{"name": index}`` nor a list of names, or two names
            share an index.
    """
    path = root / CLASSES_FILE
    if not path.is_file():
        return {}
    way_out = f'{path} must be {{"name": index, ...}} or a list of names in the order of indices'
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{way_out}; it cannot be read as JSON ({error})") from error
    if isinstance(content, list):
        pairs = [(name, index) for index, name in enumerate(content)]
    elif isinstance(content, dict):
        pairs = list(content.items())
    else:
        raise ValueError(f"{way_out}; got a {type(content).__name__}")
    indices: dict[str, int] = {}
    for name, index in pairs:
        if not isinstance(name, str) or type(index) is not int or not 0 <= index < MAX_CLASSES:
            raise ValueError(f"{way_out}, with indices from 0; got {name!r}: {index!r}")
        if name in indices or index in indices.values():
            raise ValueError(f"{way_out}, each once; got {name!r}: {index} a second time")
        indices[name] = index
    return indices


def order_classes(
    written: Mapping[ClassKey, str],
    *,
    num_classes: int | None,
    class_indices: Mapping[str, int] = NO_NAMES,
    as_folders: bool = True,
) -> ClassOrder:
    """The class index of each key, under a classifier's number of classes and its own names.

    Tried in this order, and whichever fits first is taken:

    1. Every key is an index of one of the classes.
    2. Every name is that of one class of the classifier, but for case, spaces, ``_`` and ``-``.
    3. There are as many keys as classes. torchvision's ``ImageFolder`` numbered them by the order
       of the names as text when the network was trained, so that ``10`` comes before ``2``;
       numbers that are no folders' names are numbered by size.

    Args:
        written: How each class is written where the images are, such as ``01`` for 1.
        num_classes: Number of classes of the classifier; None where it is not known, which fits
            whatever there is.
        class_indices: The index of each class by the classifier's own names, as a hub's
            ``label2id`` gives them, the most usual name of a class first; empty where it has none.
        as_folders: Whether the keys are folders' names.

    Raises:
        ValueError: If none fits.

    Example:
        >>> order_classes({"dog": "dog", "cat": "cat"}, num_classes=2).indices
        {'cat': 0, 'dog': 1}
        >>> order_classes({"dog": "dog"}, num_classes=3, class_indices={"Cat": 0, "Dog": 1}).indices
        {'dog': 1}
    """
    own = {index: name for name, index in reversed(list(class_indices.items()))}
    limit = MAX_CLASSES if num_classes is None else num_classes
    if all(isinstance(key, int) and key < limit for key in written):
        return ClassOrder(indices={key: int(key) for key in written}, names=own)
    matched = _matched(written, class_indices)
    if matched is not None and all(index < limit for index in matched.values()):
        remark = "images are assigned to classes by the names that the model gives its classes"
        return ClassOrder(indices=matched, names=own, remarks=(remark,))
    if num_classes in (None, len(written)) and _can_be_ordered(written):
        order = _as_image_folder(written, as_folders, own)
        if not _contradicts(order, class_indices):
            return order
    raise ValueError(_misfit(written, num_classes, class_indices))


def normalised(name: str) -> str:
    """A class name without what two writers of it differ in: case, spaces, ``_`` and ``-``.

    Example:
        >>> normalised("Golden_Retriever") == normalised("golden retriever")
        True
    """
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _matched(
    written: Mapping[ClassKey, str], class_indices: Mapping[str, int]
) -> dict[ClassKey, int] | None:
    """The index of each key by the classifier's own names; None unless all have one of their own.

    A name such as ``tench, Tinca tinca`` is known by each of its parts.
    """
    whole: dict[str, set[int]] = {}
    parts: dict[str, set[int]] = {}
    for name, index in class_indices.items():
        whole.setdefault(normalised(name), set()).add(index)
        for part in name.split(","):
            parts.setdefault(normalised(part), set()).add(index)
    indices: dict[ClassKey, int] = {}
    for key, name in written.items():
        if isinstance(key, int) and normalised(name) not in whole:
            indices[key] = key
            continue
        candidates = whole.get(normalised(name)) or parts.get(normalised(name), set())
        if len(candidates) != 1:
            return None
        (indices[key],) = candidates
    return indices if len(set(indices.values())) == len(indices) else None


def _can_be_ordered(written: Mapping[ClassKey, str]) -> bool:
    """Whether all are named, or all numbered and several: one number has no place in an order."""
    numbered = [isinstance(key, int) for key in written]
    return not any(numbered) or (all(numbered) and len(numbered) > 1)


def _as_image_folder(
    written: Mapping[ClassKey, str], as_folders: bool, own: Mapping[int, str]
) -> ClassOrder:
    """The order in which the network's training code numbered the classes, most likely."""
    by_size = not as_folders and all(isinstance(key, int) for key in written)
    ordered = sorted(written, key=lambda key: (int(key), "") if by_size else (0, written[key]))
    listed = some([f"{index} {written[key]}" for index, key in enumerate(ordered)], _MAX_LISTED)
    rule = (
        "in the order of their numbers"
        if by_size
        else "in the order of their names, as torchvision's ImageFolder does"
    )
    remark = f"classes are numbered {rule}: {listed}; if that is wrong, {WAY_OUT}"
    names = {index: written[key] for index, key in enumerate(ordered)}
    return ClassOrder(
        indices={key: index for index, key in enumerate(ordered)},
        names={**names, **own} if by_size else names,
        remarks=(remark,),
    )


def _contradicts(order: ClassOrder, class_indices: Mapping[str, int]) -> bool:
    """Whether one of the names is known to the classifier under another index."""
    matches = {index: _matched({name: name}, class_indices) for index, name in order.names.items()}
    return any(match and index not in match.values() for index, match in matches.items())


def _misfit(
    written: Mapping[ClassKey, str], num_classes: int | None, class_indices: Mapping[str, int]
) -> str:
    """Why no rule gives the classes their indices."""
    limit = MAX_CLASSES if num_classes is None else num_classes
    beyond = [written[key] for key in written if isinstance(key, int) and key >= limit]
    unknown = [name for key, name in written.items() if isinstance(key, str)]
    owner = "there can be at most" if num_classes is None else "the classifier has"
    count = f"{owner} {limit} classes"
    if not unknown:
        return (
            f"label {some(beyond, 3)} is no class's index, since {count}, counted from 0; rename "
            "the folder or file, or name the classifier that it belongs to"
        )
    against = ""
    if class_indices:
        strangers = [name for name in unknown if _matched({name: name}, class_indices) is None]
        against = (
            f", nor one of the model's own class names ({some(strangers or unknown, 3)} against "
            f"{some(list(class_indices), 3)})"
        )
    reason = f"there {'is' if len(written) == 1 else 'are'} {len(written)} and {count}"
    if len(unknown) < len(written):
        reason = "some are numbers"
    elif len(written) == num_classes:
        reason = "it is not that of the model's own"
    return (
        f"class {shown(unknown[0])!r} is neither an index nor a name in {CLASSES_FILE}{against}; "
        f"the order of the names does not tell either, since {reason}; {WAY_OUT}"
    )
