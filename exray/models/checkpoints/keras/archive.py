"""A ``.keras`` archive: Keras' description of a network, and an HDF5 file of its weights."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from exray.errors import CheckpointError
from exray.models.checkpoints.keras.hdf5 import KerasFile, KerasLayer, read_keras
from exray.models.checkpoints.zip_archive import Archive, ArchiveError
from exray.text import shown

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_MAX_CONFIG = 2**24  # bytes
_WAY_OUT = "save it again with Keras: model.save('m.keras')"


def is_keras_archive(archive: Archive) -> bool:
    """Whether an archive is one that ``model.save('m.keras')`` of Keras 3 writes.

    Args:
        archive: Checked as for any zip file.
    """
    return not archive.folder and {CONFIG, WEIGHTS} <= set(archive.sizes)


def read_keras_archive(archive: Archive) -> KerasFile:
    """The layers in a ``.keras`` archive, by the names that its description gives them.

    Nothing is unpacked but the weights, which :func:`read_keras` reads in a process of its own;
    the description is JSON, and nothing that it names is imported. Other entries, such as
    ``assets/``, are left alone.

    Args:
        archive: With both entries.

    Raises:
        CheckpointError: If it is damaged, or holds what Keras does not write.
    """
    path = archive.path
    if archive.sizes[CONFIG] > _MAX_CONFIG:
        problem = f"has a {CONFIG} of {archive.sizes[CONFIG]} bytes; at most {_MAX_CONFIG} are read"
        raise CheckpointError(path, problem, _WAY_OUT)
    try:
        config = archive.read(CONFIG).decode()
        names = _group_names(config)
        with TemporaryDirectory(prefix="exray-") as folder:
            weights = Path(folder) / WEIGHTS
            weights.write_bytes(archive.read(WEIGHTS))
            file = read_keras(weights, named=path)
    except ArchiveError as error:
        raise CheckpointError(path, str(error), _WAY_OUT) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        problem = f"has a {CONFIG} that is none of Keras' ({shown(str(error), 80)})"
        raise CheckpointError(path, problem, _WAY_OUT) from error
    return replace(file, config=config, layers=tuple(_renamed(file, names)))


def _group_names(config: str) -> dict[str, str]:
    """The layers' own names by the names of their groups, in the description's order.

    Keras calls a layer's group after its class, with a number from the second of a class on.
    """
    match json.loads(config):
        case {"config": {"layers": [*layers]}}:
            pass
        case _:
            raise ValueError("it lists no layers")
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for layer in layers:
        match layer:
            case {"class_name": str(kind), "config": {"name": str(name)}}:
                group = _snake_case(kind)
            case _:
                raise ValueError("it lists something that is no layer")
        number = counts[group]
        counts[group] += 1
        names[f"{group}_{number}" if number else group] = name
    return names


def _snake_case(kind: str) -> str:
    """A class's name as Keras calls a group.

    Example:
        >>> _snake_case("BatchNormalization"), _snake_case("Conv2D"), _snake_case("LeakyReLU")
        ('batch_normalization', 'conv2d', 'leaky_re_lu')
    """
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _renamed(file: KerasFile, names: Mapping[str, str]) -> Iterator[KerasLayer]:
    """The layers under their own names, in the description's order; unknown ones as they are."""
    groups = {layer.name: layer for layer in file.layers}
    for group, name in names.items():
        if group in groups:
            yield replace(groups.pop(group), name=name)
    yield from groups.values()
