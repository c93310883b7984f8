"""Which models a command line names: files, folders of models, hub folders, a list on stdin."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from exray.app.newcomer_checks import check_not_saved_model

STDIN = "-"
HUB_CONFIG = "config.json"  # a folder that holds one is a single model
SUFFIXES = frozenset(
    {".pt", ".pth", ".tar", ".ckpt", ".bin", ".safetensors", ".h5", ".hdf5", ".keras", ".onnx"}
)


def named_models(words: Sequence[str], lines: Iterable[str]) -> list[str]:
    """The models that the words name, each once and in their order.

    A folder with a ``config.json`` is one model, as hubs store it; any other folder stands for the
    models in it and below, by their files' endings; ``-`` for the lines of the list.

    Args:
        words: Paths, and ``-``.
        lines: A path each; read where a word is ``-``. Empty lines count for nothing.

    Raises:
        ValueError: If a folder holds no model, or nothing is named at all.
    """
    models: list[str] = []
    for word in words:
        listed = (line.strip() for line in lines) if word == STDIN else (word,)
        for path in filter(None, listed):
            models += _models_at(path)
    if not models:
        raise ValueError("no model is named: give FILE, a folder of models, or a list on stdin")
    return list(dict.fromkeys(models))


def is_hub_folder(path: Path) -> bool:
    """Whether a folder is one model, as hubs store it.

    Args:
        path: Any path.
    """
    return (path / HUB_CONFIG).is_file()


def run_names(models: Sequence[str], name: str | None) -> list[str]:
    """A folder's name for each model's run, no two alike.

    Args:
        models: Paths.
        name: What the command line calls the run; with several models the folder of their runs.

    Example:
        >>> run_names(["a/model.pt", "b/model.pt"], None)
        ['a_model', 'b_model']
        >>> run_names(["m.pt"], "mine"), run_names(["m.pt", "n.pt"], "mine")
        (['mine'], ['mine/m', 'mine/n'])
    """
    if len(models) == 1:
        return [name or _stem(models[0])]
    own = _distinct(models)
    return own if name is None else [f"{name}/{one}" for one in own]


def _distinct(models: Sequence[str]) -> list[str]:
    """Each model's name, with as many of its folders before it as tell it from the others."""
    parts = [(*Path(os.path.abspath(model)).parts[1:-1], _stem(model)) for model in models]
    depth = 1
    while True:
        names = ["_".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
        if depth > max(map(len, parts)):  # files of one name with other endings
            return [f"{one}_{index}" for index, one in enumerate(names)]
        depth += 1


def _stem(model: str) -> str:
    path = Path(model)
    return path.name if path.is_dir() else path.stem


def _models_at(path: str) -> list[str]:
    place = Path(path)
    if not place.is_dir() or is_hub_folder(place):
        return [path]
    check_not_saved_model(place, "FILE")
    models = sorted(_inside(place))
    if not models:
        raise ValueError(
            f"FILE must be a model or a folder of models; {path!r} holds no {HUB_CONFIG} and no "
            f"file that ends in {', '.join(sorted(SUFFIXES))}"
        )
    return models


def _inside(folder: Path) -> Iterator[str]:
    """Model files and hub folders below a folder; what is hidden is left out."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        if is_hub_folder(here):
            folders.clear()
            yield str(here)
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield str(here / name)
