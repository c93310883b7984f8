"""Images stored as MNIST's, which FashionMNIST, KMNIST and EMNIST are too."""

import gzip
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from exray.images.layouts.arrays import list_pixels
from exray.images.layouts.splits import images_of, in_order_of_splits, said, split_of
from exray.images.listing import ImageListing

_IMAGES, _LABELS = "-images-idx3-ubyte", "-labels-idx1-ubyte"
_MAX_BYTES = 2**30  # of values; EMNIST's largest file has 547 MB
_PLACES = ("*", "raw/*", "*/raw/*")  # torchvision downloads to MNIST/raw


def find_idx(root: Path) -> ImageListing | None:
    """The images of a dataset in MNIST's format; None where there is none.

    Args:
        root: Its folder, or one that torchvision downloaded to.

    Raises:
        ValueError: If there are several such datasets, or a file is damaged.
    """
    found = {
        str(path).removesuffix(".gz"): path
        for place in _PLACES
        for path in sorted(root.glob(f"{place}{_IMAGES}*"), reverse=True)  # the unpacked one last
        if str(path).removesuffix(".gz").endswith(_IMAGES)
    }
    if not found:
        return None
    split, chosen = in_order_of_splits(
        (split_of(Path(name).name), path) for name, path in found.items()
    )[0]
    if len(chosen) > 1:
        listed = ", ".join(str(path.relative_to(root)) for path in chosen[:3])
        raise ValueError(f"{root} holds several datasets ({listed}); name the folder of one")
    name = str(chosen[0]).removesuffix(".gz").replace(_IMAGES, _LABELS)
    labels = Path(name) if Path(name).is_file() else Path(f"{name}.gz")
    return list_pixels(
        chosen[0].parent,
        _values(chosen[0], 3)[..., None],
        _values(labels, 1).astype(np.int64),
        remarks=said(images_of(split), chosen[0].parent, is_only=len(found) == 1),
    )


def _values(path: Path, num_axes: int) -> UInt8[np.ndarray, "..."]:
    """The bytes of a file: two zeros, the type 8, the number of axes, their lengths, values."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4 + 4 * num_axes)
            lengths = np.frombuffer(head[4:], dtype=">u4").astype(np.int64)
            if head[:4] != bytes([0, 0, 8, num_axes]) or len(lengths) != num_axes:
                raise ValueError("its first bytes are not those of such a file")
            count = int(np.prod(lengths.astype(object)))
            if count > _MAX_BYTES:
                raise ValueError(f"it claims {count} bytes of values")
            data = file.read(count)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{path} is no file in MNIST's format ({error})") from error
    if len(data) != count:
        raise ValueError(f"{path} is truncated: {len(data)} of {count} bytes are there")
    return np.frombuffer(data, dtype=np.uint8).reshape(lengths)
