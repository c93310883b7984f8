"""What a place with clean images holds, and its images by class. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from exray.images.class_names import read_class_indices
from exray.images.folder_listing import check_folder, list_folder
from exray.images.image_files import entries_of, is_image_name
from exray.images.layouts.archives import find_archives, read_archive
from exray.images.layouts.binary_batches import find_batches, read_cifar
from exray.images.layouts.cifar_pickles import find_cifar_pickles
from exray.images.layouts.idx import find_idx
from exray.images.layouts.label_file import SUFFIXES as LABEL_SUFFIXES
from exray.images.layouts.label_file import find_label_file, list_label_file
from exray.images.layouts.splits import images_of, said, split_folders
from exray.images.layouts.tables import SUFFIXES as TABLE_SUFFIXES
from exray.images.layouts.tables import find_tables, read_tables
from exray.images.listing import ImageListing

FILE_SUFFIXES = (*LABEL_SUFFIXES, *TABLE_SUFFIXES, ".npz", ".bin")
"""Endings of the files that hold images of several classes, or list them."""

_MAX_DEPTH = 3  # folders in folders before those of the classes
_DATASETS: tuple[Callable[[Path], ImageListing | None], ...] = (
    find_cifar_pickles, find_batches, find_idx, find_archives,
)  # fmt: skip


def list_images(path: Path, *, limit_per_class: int | None = None) -> ImageListing:
    """The images of each class at a place, in whatever form they are there.

    Tried in this order: datasets of torchvision and of the Hugging Face hub as they lie on disk,
    folders of splits, of which the validation images are taken, and a text file of paths and
    labels where no folder is a class index. Anything else is a folder by class, or one that holds
    nothing but such a folder.

    Args:
        path: A folder, or one file of those that :data:`FILE_SUFFIXES` name.
        limit_per_class: At most so many images per class are taken out of tables; None for all.

    Raises:
        ValueError: If nothing there says which images are of which class.
    """
    if path.is_file() and path.suffix.lower() in FILE_SUFFIXES:
        return _list_file(path, limit_per_class)
    check_folder(path)
    return _list_directory(path, limit_per_class, {}, depth=0)


def _list_file(path: Path, limit_per_class: int | None) -> ImageListing:
    suffix = path.suffix.lower()
    if suffix in LABEL_SUFFIXES:
        return list_label_file(path)
    if suffix in TABLE_SUFFIXES:
        return read_tables([path], limit_per_class=limit_per_class)
    return read_archive(path) if suffix == ".npz" else read_cifar([path], path, split="")


def _list_directory(
    root: Path, limit_per_class: int | None, inherited: Mapping[str, int], *, depth: int
) -> ImageListing:
    for find in _DATASETS:
        if (listing := find(root)) is not None:
            return listing
    if (tables := find_tables(root, limit_per_class=limit_per_class)) is not None:
        return tables
    indices = read_class_indices(root) or dict(inherited)
    folders, files = entries_of(root)
    if depth < _MAX_DEPTH:

        def inside(folder: Path) -> ImageListing:
            return _list_directory(folder, limit_per_class, indices, depth=depth + 1)

        if splits := split_folders(folders):
            return _of_split(root, splits, inside)
        if len(folders) == 1 and not any(is_image_name(path.name) for path in files):
            inner = _only_folder(folders[0], indices, inside)
            if inner is not None:
                return inner
    if not _is_indexed(folders, indices) and (labelled := find_label_file(root)) is not None:
        return labelled
    return list_folder(root, class_indices=indices)


def _is_indexed(folders: list[Path], indices: Mapping[str, int]) -> bool:
    """Whether every folder says its class's index."""
    return bool(folders) and all(
        path.name in indices or (path.name.isascii() and path.name.isdigit()) for path in folders
    )


def _only_folder(
    folder: Path, indices: Mapping[str, int], inside: Callable[[Path], ImageListing]
) -> ImageListing | None:
    """What lies in a place's only folder, if that holds classes rather than being one."""
    if folder.name in indices or folder.name.isdigit() or not entries_of(folder)[0]:
        return None
    try:
        listing = inside(folder)
    except ValueError:
        return None
    return listing if len(listing.entries) > 1 else None


def _of_split(
    root: Path, splits: list[Path], inside: Callable[[Path], ImageListing]
) -> ImageListing:
    """The first split whose images say their classes; test images often do not."""
    problems: list[ValueError] = []
    fallback: ImageListing | None = None
    for folder in splits:
        try:
            listing = inside(folder)
        except ValueError as error:
            problems.append(error)
            continue
        remarks = (*said(images_of(folder.name), root, is_only=len(splits) == 1), *listing.remarks)
        listing = replace(listing, remarks=remarks)
        if len(listing.entries) > 1:
            return _with_classes_of(listing, splits)
        fallback = fallback or listing
    if fallback is None:
        raise problems[0]
    return fallback


def _with_classes_of(listing: ImageListing, splits: list[Path]) -> ImageListing:
    """A split's listing with the classes that other splits have folders of, and it has not."""
    if not listing.as_folders:
        return listing
    names = set(listing.written.values())
    for folder in splits:
        others = {path.name for path in entries_of(folder)[0]}
        if names < others and not any(name.isdigit() for name in others):
            missing = sorted(others - names)
            return replace(
                listing,
                entries={**listing.entries, **{name: [] for name in missing}},
                written={**listing.written, **{name: name for name in missing}},
            )
    return listing
