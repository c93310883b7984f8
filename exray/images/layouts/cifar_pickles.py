"""CIFAR-10 and CIFAR-100 as Python's pickles, which are scanned for literals and never loaded."""

import pickletools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from exray.images.layouts.arrays import list_pixels
from exray.images.layouts.splits import images_of, said
from exray.images.listing import ImageListing

_FOLDERS = {  # of each folder: the files of a split, that of the names, and the key of the labels
    "cifar-10-batches-py": (
        {"test": "test_batch", "train": "data_batch_?"}, "batches.meta", "labels", "label_names",
    ),
    "cifar-100-python": (
        {"test": "test", "train": "train"}, "meta", "fine_labels", "fine_label_names",
    ),
}  # fmt: skip
_RECORD = 3 * 32 * 32
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1")
_TEXTS = (
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
)  # fmt: skip
_KEYS = (
    "data", "labels", "fine_labels", "coarse_labels", "filenames", "batch_label", "label_names",
    "fine_label_names", "coarse_label_names", "num_vis", "num_cases_per_batch",
)  # fmt: skip
_WAY_OUT = "take the binary version (.bin), or a folder of images by class"
_MAX_BYTES = 2**29  # of one file; CIFAR-100's training images have 155 MB


@dataclass(kw_only=True)
class PickleLiterals:
    """The literals of a pickle in the order in which they stand there.

    Args:
        blobs: Long strings: pixels.
        numbers: The whole numbers that follow each key, in order.
        texts: The short strings that follow each key.
    """

    blobs: list[bytes] = field(default_factory=list)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)


def find_cifar_pickles(root: Path) -> ImageListing | None:
    """The test images of CIFAR-10 or CIFAR-100, or the training images; None where there are none.

    A pickle is a program. Nothing of it is run and nothing is built: its instructions are read one
    after the other, and what stands in them as plain bytes and numbers are the pixels and labels.

    Args:
        root: The folder that torchvision unpacks, or the one above.

    Raises:
        ValueError: If a file is no batch of CIFAR.
    """
    for name, (files, names_file, labels_key, names_key) in _FOLDERS.items():
        for folder in (root, root / name):
            if not (folder / names_file).is_file():
                continue
            for split, pattern in files.items():
                if batches := sorted(folder.glob(pattern)):
                    names = literals(folder / names_file).texts.get(names_key, [])
                    return _read(batches, folder, split, labels_key, names)
    return None


def literals(path: Path) -> PickleLiterals:
    """What stands in a pickle of CIFAR's as plain bytes, text and numbers, by the key before it.

    Args:
        path: The file.

    Raises:
        ValueError: If it is no pickle, or too large.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path} is larger than any file of CIFAR; name the folder of CIFAR alone")
    found, key = PickleLiterals(), ""
    try:
        with path.open("rb") as file:
            for opcode, argument, _ in pickletools.genops(file):
                if opcode.name in _NUMBERS:
                    assert isinstance(argument, int)
                    found.numbers.setdefault(key, []).append(argument)
                elif opcode.name in _TEXTS and isinstance(argument, str | bytes | bytearray):
                    data = (
                        argument.encode("latin-1") if isinstance(argument, str) else bytes(argument)
                    )
                    text = data[:100].decode("latin-1")
                    if len(data) >= _RECORD:
                        found.blobs.append(data)
                    elif text in _KEYS:
                        key = text
                    else:
                        found.texts.setdefault(key, []).append(text)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is no batch of CIFAR ({error}); {_WAY_OUT}") from error
    return found


def _read(
    batches: list[Path], folder: Path, split: str, labels_key: str, names: list[str]
) -> ImageListing:
    tables, labels = [], []
    for path in batches:
        found = literals(path)
        own = found.numbers.get(labels_key, [])
        if len(found.blobs) != 1 or len(found.blobs[0]) != _RECORD * len(own):
            raise ValueError(
                f"{path} is no batch of CIFAR: it must hold 3072 bytes of pixels for each of its "
                f"labels, and has {len(own)} labels; {_WAY_OUT}"
            )
        tables.append(np.frombuffer(found.blobs[0], dtype=np.uint8).reshape(-1, 3, 32, 32))
        labels += own
    pixels = np.concatenate(tables).transpose(0, 2, 3, 1)
    rows = np.array(labels, dtype=np.int64)
    return list_pixels(folder, pixels, rows, names=names, remarks=said(images_of(split), folder))
