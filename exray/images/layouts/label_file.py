"""Images whose classes stand in a text file: a path and a label a line."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath

from exray.images.class_names import ClassKey
from exray.images.image_files import EXTENSIONS, entries_of, is_image_name
from exray.images.layouts.splits import in_order_of_splits, said, split_of
from exray.images.listing import ImageEntry, ImageListing, Stored, file_entry
from exray.text import some

SUFFIXES = (".csv", ".tsv", ".txt")
_PATHS = (
    "path", "file_name", "filename", "file", "filepath", "file_path", "image_path", "img_path",
    "image", "img", "image_name", "image_file", "name", "image_id", "id",
)  # fmt: skip
_LABELS = (
    "label", "labels", "class", "class_id", "classid", "class_index", "label_id", "target",
    "category", "category_id", "y", "class_name", "label_name",
)  # fmt: skip
_DELIMITERS = (",", ";", "\t", "|", " ")
_MAX_TRIED = 20  # first rows of which one must name a file that is there


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """A text file's rows of a path and one label or two.

    Args:
        path: The file.
        rows: For each image its path and its labels as they are written.
        header: Whether the first line named the columns.
    """

    path: Path
    rows: Sequence[tuple[str, tuple[str, ...]]]
    header: bool


def find_label_file(root: Path) -> ImageListing | None:
    """The images that a text file in a folder gives labels; None where there is no such file.

    Args:
        root: The folder. Of several such files that of the validation images is taken, then of
            the test images, then of the training images.

    Raises:
        ValueError: If the file's paths lead nowhere.
    """
    files = [path for path in entries_of(root)[1] if path.suffix.lower() in SUFFIXES]
    listings = [(path, _list(labels)) for path in files if (labels := read_label_file(path))]
    usable = [(split_of(path.name), listing) for path, listing in listings if listing is not None]
    if not usable:
        return None
    _, chosen = in_order_of_splits(usable)[0]
    remarks = said(f"labels of {chosen[0].place.name}", root, is_only=len(usable) == 1)
    return replace(chosen[0], remarks=remarks)


def list_label_file(path: Path) -> ImageListing:
    """The images that a text file gives labels.

    Args:
        path: Rows of a path and a label, the path relative to the file, with or without a header.

    Raises:
        ValueError: If it is no such file, or no path leads to an image.
    """
    labels = read_label_file(path)
    listing = None if labels is None else _list(labels)
    if listing is None:
        reason = "has no such columns" if labels is None else "names no image that is there"
        raise ValueError(
            f"{path} must list images with a path and a label a line, such as path,label, with "
            f"paths relative to {path.parent}; it {reason}"
        )
    return listing


def read_label_file(path: Path) -> LabelFile | None:
    """The rows of a text file with paths and labels; None where it is something else.

    Args:
        path: The file; commas, semicolons, tabs, bars or spaces between columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            rest = file.readlines()
        for delimiter in _DELIMITERS:
            header = [name.strip().lower() for name in _fields(first, delimiter)]
            columns = _columns(header)
            if columns is not None:
                rows = [_row(_fields(line, delimiter), columns) for line in rest if line.strip()]
                return LabelFile(path=path, rows=[row for row in rows if row], header=True)
        for delimiter in _DELIMITERS:
            fields = _fields(first, delimiter)
            if len(fields) > 1 and is_image_name(fields[0].strip()):
                lines = [line for line in (first, *rest) if line.strip()]
                rows = [_row(_fields(line, delimiter), (0, [1])) for line in lines]
                return LabelFile(path=path, rows=[row for row in rows if row], header=False)
    except (OSError, UnicodeDecodeError, csv.Error):
        pass
    return None


def _fields(line: str, delimiter: str) -> list[str]:
    """The columns of one line; a space separates the last column from a path with spaces in it."""
    if delimiter == " ":
        return line.strip().rsplit(None, 1)
    return next(csv.reader([line], delimiter=delimiter), [])


def _columns(header: Sequence[str]) -> tuple[int, list[int]] | None:
    """The places of the path's column and the labels', the usual one first."""
    path = next((header.index(name) for name in _PATHS if name in header), None)
    labels = [header.index(name) for name in _LABELS if name in header]
    return None if path is None or not labels else (path, labels)


def _row(
    fields: Sequence[str], columns: tuple[int, list[int]]
) -> tuple[str, tuple[str, ...]] | None:
    path, labels = columns
    if max(path, *labels) >= len(fields):
        return None
    return fields[path].strip(), tuple(fields[label].strip() for label in labels)


def _list(file: LabelFile) -> ImageListing | None:
    """The listing of a text file; None where none of its first paths leads to an image."""
    locate = _locator(file)
    if locate is None:
        return None
    indices = _index_column(file)
    entries: dict[ClassKey, list[ImageEntry]] = {}
    names: dict[int, str] = {}
    for path, labels in file.rows:
        key: ClassKey = labels[0]
        if indices is not None:
            key = int(float(labels[indices]))
            spelled = [label for place, label in enumerate(labels) if place != indices]
            if spelled and names.setdefault(key, spelled[0]) != spelled[0]:
                names[key] = ""  # of several names none is the class's
        entries.setdefault(key, []).append(_entry(file.path.parent, path, locate))
    return ImageListing(
        place=file.path,
        entries=entries,
        written={key: str(key) for key in entries},
        names={index: name for index, name in names.items() if name},
        names_from=file.path.name,
        as_folders=False,
    )


def _index_column(file: LabelFile) -> int | None:
    """The first column of labels that holds whole numbers alone."""
    for place in range(len(file.rows[0][1]) if file.rows else 0):
        if all(_is_index(labels[place]) for _, labels in file.rows):
            return place
    return None


def _is_index(text: str) -> bool:
    """Whether a text is a class index, also as pandas writes a column with gaps, ``3.0``."""
    digits = text.removesuffix(".0")
    return digits.isascii() and digits.isdigit() and len(digits) < 10


def _locator(file: LabelFile) -> Callable[[str], str] | None:
    """How the rows' paths lead to files, found by the first rows; None where they lead nowhere."""
    folder = file.path.parent
    for path, _ in islice(file.rows, _MAX_TRIED):
        for locate in _locators(file.path.stem, path):
            if (folder / locate(path)).is_file():
                return locate
    return None


def _locators(stem: str, example: str) -> Iterator[Callable[[str], str]]:
    """Paths as they are, in a folder beside the file, without an ending, or of another machine."""
    num_parts = len(_parts(example))
    for ending in ("",) if is_image_name(example) else EXTENSIONS:
        for inner in ("", "images/", "img/", f"{stem}/"):
            yield partial(_in_folder, inner=inner, ending=ending)
        for dropped in range(1, num_parts):
            yield partial(_without_start, dropped=dropped, ending=ending)


def _in_folder(path: str, *, inner: str, ending: str) -> str:
    return f"{inner}{path}{ending}"


def _without_start(path: str, *, dropped: int, ending: str) -> str:
    return "/".join(_parts(path)[dropped:]) + ending


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path.replace("\\", "/")).parts


def _entry(folder: Path, path: str, locate: Callable[[str], str]) -> ImageEntry:
    """One row's image, which must lie below the text file's folder."""
    place = (folder / locate(path)).resolve()
    if place.is_relative_to(folder.resolve()):
        return file_entry(folder / locate(path))

    def refuse() -> Stored:
        raise ValueError(
            f"image {some([path])} lies outside {folder}, where its label file is; give paths "
            "below that folder"
        )

    return ImageEntry(name=path, read=refuse)
