"""Images and labels in tables: Parquet and Arrow files as the Hugging Face hub stores datasets."""

import importlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from exray.images.class_names import MAX_CLASSES, ClassKey
from exray.images.image_files import entries_of
from exray.images.layouts.splits import images_of, in_order_of_splits, said, split_of
from exray.images.listing import ImageEntry, ImageListing, Stored, file_entry
from exray.text import shown, some

SUFFIXES = (".parquet", ".arrow")
_IMAGE_COLUMNS = ("image", "img", "images", "picture", "photo", "jpg", "png")
_LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target", "cls", "category")
_INFO = "dataset_info.json"
_BATCH_ROWS = 64


def find_tables(root: Path, *, limit_per_class: int | None) -> ImageListing | None:
    """The images of a dataset in Parquet or Arrow files; None where there is none.

    It may be a repository of the hub (``data/test-00000-of-00001.parquet``), what ``datasets``
    keeps in its cache, or a folder that ``save_to_disk`` wrote. Of several splits the first one
    with labels is taken.

    Args:
        root: The folder.
        limit_per_class: At most so many images per class are taken out of the files.

    Raises:
        ValueError: If pyarrow is not installed, or the files hold no images with labels.
    """
    folders, files = entries_of(root)
    tables = [path for path in files if path.suffix in SUFFIXES]
    if not tables:
        inner = [path for folder in folders for path in entries_of(folder)[1]]
        tables = [path for path in inner if path.suffix in SUFFIXES]
    if not tables or len({path.parent for path in tables}) > 1:
        return None  # folders of splits, or of several datasets: one of them is to be chosen
    splits = in_order_of_splits((split_of(path.name), path) for path in tables)
    for split, paths in splits:
        listing = read_tables(paths, limit_per_class=limit_per_class)
        if listing.entries:
            return replace(listing, remarks=said(images_of(split), root, is_only=len(splits) == 1))
    raise ValueError(f"{root} holds tables without a single label")


def read_tables(paths: Sequence[Path], *, limit_per_class: int | None) -> ImageListing:
    """The images of tables that belong together.

    Args:
        paths: Files of one kind.
        limit_per_class: At most so many images per class are taken out of the files.

    Raises:
        ValueError: If pyarrow is not installed, or a file is damaged or holds no images.
    """
    arrow = _pyarrow(paths[0])
    entries: dict[ClassKey, list[ImageEntry]] = {}
    counts: Counter[ClassKey] = Counter()
    names: Sequence[str] = ()
    for path in paths:
        try:
            table = (
                _Parquet(arrow, path) if path.suffix == ".parquet" else _ArrowStream(arrow, path)
            )
            features = _features(table, path)
            image, label = _columns(table.column_names, features, path)
            keys = dict(enumerate(_class_key(value, path) for value in table.values(label)))
            rows: dict[int, ClassKey] = {}
            for row, key in keys.items():
                if key is not None and (limit_per_class is None or counts[key] < limit_per_class):
                    counts[key] += 1
                    rows[row] = key
            for row, value in table.chosen(image, list(rows)):
                entry = _entry(value, f"{row} of {path}", path.parent)
                entries.setdefault(rows[row], []).append(entry)
        # pyarrow's errors derive from ValueError, OSError, KeyError and NotImplementedError.
        except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
            raise ValueError(
                f"{path} is no table of images: it must have a column of images (records with "
                f"bytes) and one of labels ({error})"
            ) from error
        names = names or _label_names(features, label)
    return ImageListing(
        place=paths[0] if len(paths) == 1 else paths[0].parent,
        entries=entries,
        written={key: str(key) for key in entries},
        names=dict(enumerate(names)),
        names_from=str(paths[0]),
        as_folders=False,
    )


class _Table(ABC):
    """A table whose columns are read apart, and images by their rows."""

    column_names: Sequence[str]
    metadata: Mapping[bytes, bytes]

    @abstractmethod
    def values(self, column: str) -> list[object]:
        """All values of one column."""

    @abstractmethod
    def chosen(self, column: str, rows: Sequence[int]) -> Iterator[tuple[int, object]]:
        """Rows in rising order, each with its value; what lies between them is passed over."""


class _Parquet(_Table):
    """A Parquet file, of which only the row groups with chosen rows are read."""

    def __init__(self, arrow: ModuleType, path: Path) -> None:
        self._file = arrow.parquet.ParquetFile(path)
        self.column_names = self._file.schema_arrow.names
        self.metadata = self._file.schema_arrow.metadata or {}

    def values(self, column: str) -> list[object]:
        return list(self._file.read(columns=[column]).column(column).to_pylist())

    def chosen(self, column: str, rows: Sequence[int]) -> Iterator[tuple[int, object]]:
        wanted, start = set(rows), 0
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            if not wanted.isdisjoint(range(start, start + count)):
                batches = self._file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[column])
                yield from _rows_of(batches, column, wanted, start)
            start += count


class _ArrowStream(_Table):
    """A stream of Arrow batches, which is mapped into memory rather than read."""

    def __init__(self, arrow: ModuleType, path: Path) -> None:
        source = arrow.memory_map(str(path))
        try:
            self._table = arrow.ipc.open_stream(source).read_all()
        except arrow.ArrowInvalid:
            self._table = arrow.ipc.open_file(source).read_all()
        self.column_names = self._table.schema.names
        self.metadata = self._table.schema.metadata or {}

    def values(self, column: str) -> list[object]:
        return list(self._table.column(column).to_pylist())

    def chosen(self, column: str, rows: Sequence[int]) -> Iterator[tuple[int, object]]:
        yield from _rows_of(self._table.to_batches(_BATCH_ROWS), column, set(rows), 0)


def _rows_of(
    batches: object, column: str, wanted: set[int], start: int
) -> Iterator[tuple[int, object]]:
    """The wanted rows of consecutive batches."""
    for batch in batches:  # type: ignore[attr-defined]  # pyarrow has no types
        values = batch.column(batch.schema.names.index(column))
        for place in range(len(values)):
            if start + place in wanted:
                yield start + place, values[place].as_py()
        start += len(values)


def _pyarrow(path: Path) -> ModuleType:
    try:
        arrow = importlib.import_module("pyarrow")
        for module in ("pyarrow.parquet", "pyarrow.ipc"):
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{path} needs pyarrow to be read, which is not installed; "
            "pip install 'exray[parquet]', or give a folder of images by class"
        ) from error
    return arrow


def _features(table: _Table, path: Path) -> Mapping[str, object]:
    """What the dataset's author says of each column; empty where nothing is said."""
    described: object = None
    with suppress(ValueError, OSError, RecursionError):
        described = json.loads(table.metadata.get(b"huggingface", b"{}"))
    if isinstance(described, dict):
        described = described.get("info", {})
    if not described and (path.parent / _INFO).is_file():
        with suppress(ValueError, OSError, RecursionError):
            described = json.loads((path.parent / _INFO).read_text(encoding="utf-8"))
    features = described.get("features") if isinstance(described, dict) else None
    return features if isinstance(features, dict) else {}


def _columns(names: Sequence[str], features: Mapping[str, object], path: Path) -> tuple[str, str]:
    """The names of the column of images and of that of labels."""
    images = [*_of_type(features, "Image"), *_IMAGE_COLUMNS]
    described = _of_type(features, "ClassLabel")
    usual = [name for name in _LABEL_COLUMNS if name in described]
    labels = [*usual, *described, *_LABEL_COLUMNS]
    image = next((name for name in images if name in names), None)
    label = next((name for name in labels if name in names), None)
    if image is None or label is None:
        missing = "image" if image is None else "label"
        raise ValueError(f"{path.name} has the columns {some(list(names), 8)}, and no {missing}")
    return image, label


def _of_type(features: Mapping[str, object], kind: str) -> list[str]:
    return [
        name
        for name, value in features.items()
        if isinstance(value, dict) and value.get("_type") == kind
    ]


def _label_names(features: Mapping[str, object], label: str) -> Sequence[str]:
    feature = features.get(label)
    names = feature.get("names") if isinstance(feature, dict) else None
    is_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if isinstance(names, list) and is_names else ()


def _class_key(value: object, path: Path) -> ClassKey | None:
    """A label; None for one that is not given, as the hub marks it by -1."""
    if value is None or (isinstance(value, int) and value < 0):
        return None
    if isinstance(value, str) or (type(value) is int and value < MAX_CLASSES):
        return value
    raise ValueError(f"{path.name} has the label {shown(repr(value))}, which is no class")


def _entry(value: object, name: str, folder: Path) -> ImageEntry:
    """One image of a table, which holds its bytes or a path beside the table."""
    if isinstance(value, dict):
        data, path = value.get("bytes"), value.get("path")
        if data is None and isinstance(path, str):
            inside = (folder / path).resolve()
            if inside.is_relative_to(folder.resolve()):
                return file_entry(inside)
        value = data
    return ImageEntry(name=name, read=lambda: _bytes_of(value, name))


def _bytes_of(value: object, name: str) -> Stored:
    if not isinstance(value, bytes):
        raise ValueError(f"image {name} is no image file's bytes; leave it out")
    return value
