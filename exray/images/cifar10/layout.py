"""Which files of a folder hold CIFAR-10's training images, and which its test images."""

import zipfile
from pathlib import Path

import numpy as np

from exray.images.sources.base import Split

BATCHES: dict[Split, str] = {"train": "data_batch_*.bin", "test": "test_batch.bin"}


_UNPACKED = ("cifar-10-batches-bin", "cifar-10-batches-py", "plain_text")  # what archives unpack to


def split_files(root: Path, split: Split) -> list[Path]:
    """The files or the image folder that hold one split; empty where the folder knows none.

    Looked for in this order: the binary batches, an ``.npz`` file whose name begins with the
    split's (of several the one with most images), ``.parquet`` files likewise (all of them), a
    folder of images named by the split. The folder that the archive unpacks to may be in between.

    Args:
        root: The folder.
        split: ``train`` or ``test``.

    Raises:
        ValueError: If an ``.npz`` file of several is broken.
    """
    for folder in (root, *(root / name for name in _UNPACKED)):
        batches = sorted(folder.glob(BATCHES[split]))
        arrays = sorted(folder.glob(f"{split}*.npz"))
        tables = sorted(folder.glob(f"{split}*.parquet"))
        for files in (batches, [max(arrays, key=_num_labels)] if arrays else [], tables):
            if files:
                return files
    return [root / split] if (root / split).is_dir() else []


def holds_pickles(root: Path) -> bool:
    """Whether the folder holds the Python version of CIFAR-10, whose batches are pickles."""
    folders = (root, root / "cifar-10-batches-py")
    names = ("data_batch_1", "test_batch")
    return any((folder / name).is_file() for folder in folders for name in names)


def _num_labels(path: Path) -> int:
    """How many labels an ``.npz`` file has; its images are not read."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return len(archive["labels"]) if "labels" in archive.files else 0
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is truncated or holds no plain arrays ({error})") from error
