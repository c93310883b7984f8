"""Images and labels out of Parquet files, as dataset hubs store them."""

import importlib
from pathlib import Path

_NAMES = (("img", "image"), ("label", "labels"))


def read_parquet(path: Path) -> list[tuple[bytes, int]]:
    """The image files in a Parquet table, each with its label, in stored order.

    Args:
        path: A file with a column ``img`` or ``image``, each value a record with ``bytes``, and a
            column ``label``.

    Raises:
        ValueError: If pyarrow is not installed, or the file is broken or has other columns.
    """
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{path} needs pyarrow to be read, which is not installed; "
            "pip install 'exray[parquet]', or give the binary version"
        ) from error
    try:
        table = parquet.read_table(path)
        columns = [next(n for n in names if n in table.column_names) for names in _NAMES]
        images, labels = (table.column(name).to_pylist() for name in columns)
        return [
            (bytes(image["bytes"]), int(label)) for image, label in zip(images, labels, strict=True)
        ]
    # pyarrow's errors derive from ValueError and OSError; the rest is what other columns lead to.
    except (OSError, ValueError, StopIteration, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is no table of images: it must have the columns img (records with bytes) and "
            f"label ({error or 'they are not there'})"
        ) from error
