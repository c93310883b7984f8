"""Images in binary records: CIFAR-10, CIFAR-100 and STL-10 as their authors publish them."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from exray.images.layouts.arrays import list_pixels
from exray.images.layouts.splits import images_of, said
from exray.images.listing import ImageListing

_SIDE, _STL_SIDE = 32, 96


def find_batches(root: Path) -> ImageListing | None:
    """The test images of one of the three, or the training images; None where there is none.

    Args:
        root: Its folder, or the one above.

    Raises:
        ValueError: If a file is no whole number of records.
    """
    for folder in (root, root / "cifar-10-batches-bin"):
        for split, pattern in (("test", "test_batch.bin"), ("train", "data_batch_*.bin")):
            if files := sorted(folder.glob(pattern)):
                return read_cifar(files, folder, split=split)
    for folder in (root, root / "cifar-100-binary"):
        for split in ("test", "train"):
            if (folder / "fine_label_names.txt").is_file() and (folder / f"{split}.bin").is_file():
                return read_cifar([folder / f"{split}.bin"], folder, split=split, num_labels=2)
    for folder in (root, root / "stl10_binary"):
        for split in ("test", "train"):
            if (folder / f"{split}_X.bin").is_file():
                return _read_stl10(folder, split)
    return None


def read_cifar(files: list[Path], place: Path, *, split: str, num_labels: int = 1) -> ImageListing:
    """Records of a label or two, the finer one last, and 32 x 32 pixels by colour.

    Args:
        files: Binary batches.
        place: The folder that holds the names of the classes, or the file.
        split: What is read; empty where nothing is to be said of it.
        num_labels: 2 for CIFAR-100.

    Raises:
        ValueError: If a file is no whole number of records.
    """
    table = np.concatenate([_records(path, num_labels + 3 * _SIDE**2) for path in files])
    names = "fine_label_names.txt" if num_labels > 1 else "batches.meta.txt"
    return list_pixels(
        place,
        table[:, num_labels:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1),
        table[:, num_labels - 1].astype(np.int64),
        names=_lines(place / names),
        remarks=said(images_of(split), place),
    )


def _read_stl10(folder: Path, split: str) -> ImageListing:
    """Images by columns; labels are counted from 1."""
    table = _records(folder / f"{split}_X.bin", 3 * _STL_SIDE**2)
    labels = np.fromfile(folder / f"{split}_y.bin", dtype=np.uint8).astype(np.int64)
    return list_pixels(
        folder,
        table.reshape(-1, 3, _STL_SIDE, _STL_SIDE).transpose(0, 3, 2, 1),
        labels - 1,
        names=_lines(folder / "class_names.txt"),
        remarks=said(images_of(split), folder),
    )


def _records(path: Path, length: int) -> UInt8[np.ndarray, "n length"]:
    data = np.fromfile(path, dtype=np.uint8)
    if len(data) == 0 or len(data) % length:
        raise ValueError(
            f"{path} is truncated or no batch: its {len(data)} bytes are not a whole number of "
            f"{length}-byte records"
        )
    return data.reshape(-1, length)


def _lines(path: Path) -> list[str]:
    """The names in a text file, one a line; none where there is no such file."""
    return path.read_text(encoding="utf-8").split() if path.is_file() else []
