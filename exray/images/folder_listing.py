"""Image files by class: a subfolder per class, or the class in the file's name."""

import re
from collections.abc import Mapping
from pathlib import Path

from exray.images.class_names import MAX_CLASSES, ClassKey, read_class_indices
from exray.images.example_names import example_name
from exray.images.image_files import EXTENSIONS, entries_of, files_below, is_image_name
from exray.images.listing import ImageEntry, ImageListing, file_entry
from exray.text import some

_MAX_LISTED = 10  # names in a message; the others are counted
LAYOUT = (
    "use one subfolder of images per class, named by its index or its name, or files named "
    "class_3_example_1.png"
)


def list_folder(root: Path, *, class_indices: Mapping[str, int] | None = None) -> ImageListing:
    """The image files of each class in a folder; none is opened.

    A class is a subfolder, named by its index or by a name, or it stands in the file's name, as in
    ``class_3_example_1.png``. ``classes.json`` gives names their indices (``{"stop": 0}`` or
    ``["stop", ...]``; the names there are looked up first). The order is the natural one of the
    names (2 before 10); hidden files are ignored.

    Args:
        root: The folder.
        class_indices: The index of each class name where there is no ``classes.json``.

    Raises:
        ValueError: If the folder is missing or holds no image, a file names no class, or
            ``classes.json`` is not understood.
    """
    check_folder(root)
    indices = read_class_indices(root) or dict(class_indices or {})
    entries: dict[ClassKey, list[ImageEntry]] = {}
    written: dict[ClassKey, str] = {}
    others: list[str] = []
    folders, files = entries_of(root)
    flat = [path for path in files if is_image_name(path.name)]
    for place, is_folder in [
        *((path, True) for path in folders),
        *((path, False) for path in flat),
    ]:
        key = _key_of(place, indices, is_folder=is_folder)
        written.setdefault(key, place.name if is_folder else str(key))
        inside = list(files_below(place)) if is_folder else [place]
        entries.setdefault(key, []).extend(file_entry(p) for p in inside if is_image_name(p.name))
        others += [str(path.relative_to(root)) for path in inside if not is_image_name(path.name)]
    if not any(entries.values()):
        raise ValueError(f"{root} must hold images; it holds none; {LAYOUT}")
    rule = f"files that end in none of {', '.join(EXTENSIONS)} are left out"
    return ImageListing(
        place=root,
        entries=entries,
        written=written,
        names={index: name for name, index in indices.items()},
        names_from="classes.json",
        remarks=(f"{rule}: {some(others, _MAX_LISTED)}",) if others else (),
    )


def check_folder(root: Path) -> None:
    """Refuse what is no folder.

    Args:
        root: What was named as one.

    Raises:
        ValueError: If it is a file, or does not exist.
    """
    if not root.is_dir():
        problem = "is a file" if root.exists() else "does not exist"
        raise ValueError(f"images must be a folder; {root} {problem}; {LAYOUT}")


def _key_of(place: Path, indices: Mapping[str, int], *, is_folder: bool) -> ClassKey:
    """The class that a subfolder or a flat file belongs to."""
    if not is_folder:
        name = example_name(place.name)
        if name is None or name.trigger is not None:
            raise ValueError(f"file {place} does not say its class; {LAYOUT}")
        return name.class_index
    if place.name in indices:
        return indices[place.name]
    if re.fullmatch("[0-9]+", place.name) and int(place.name) < MAX_CLASSES:
        return int(place.name)
    return place.name
