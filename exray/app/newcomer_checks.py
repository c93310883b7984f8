"""Checks of a stranger's files and of an architecture's name, before torch is imported."""

import difflib
import re
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path

from exray.storage.remote_files import is_url

_NETWORKS = Path(__file__).resolve().parents[1] / "models" / "architectures"
_REGISTERED = re.compile(r"^@register_model\b[^\n]*\n(?:(?!def )[^\n]*\n)*?def (\w+)", re.MULTILINE)
_NUM_SIMILAR = 3
_PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def check_file(path: str, parameter: str) -> None:
    """Refuses what is no file; a URL is looked up later.

    Args:
        path: What was typed.
        parameter: What it was typed for.

    Raises:
        ValueError: If there is nothing of that name, or a folder.
    """
    if not (is_url(path) or Path(path).is_file()):
        there = ", which is a folder" if Path(path).is_dir() else "; there is none of that name"
        raise ValueError(f"{parameter} must be a file; got {path!r}{there}")


def check_model(path: str, parameter: str) -> None:
    """Refuses what is neither a file nor a folder as model hubs store one.

    Args:
        path: What was typed.
        parameter: What it was typed for.

    Raises:
        ValueError: If there is nothing of that name, or a folder without ``config.json``.
    """
    folder = Path(path)
    if not folder.is_dir():
        check_file(path, parameter)
        return
    check_not_saved_model(folder, parameter)
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"{parameter} must be a file, or a folder as model hubs store it; {path!r} holds no "
            "config.json; name the checkpoint inside it"
        )


def check_not_saved_model(folder: Path, parameter: str) -> None:
    """Refuses TensorFlow's SavedModel.

    Args:
        folder: What was typed.
        parameter: What it was typed for.

    Raises:
        ValueError: If it is one; says what to convert it with.
    """
    if (folder / "saved_model.pb").is_file():
        raise ValueError(
            f"{parameter} must be a model; {str(folder)!r} is TensorFlow's SavedModel, a "
            "program; save it again with model.save('m.h5'), or convert it with python -m "
            f"tf2onnx.convert --saved-model {folder} --output m.onnx"
        )


def check_images(path: str, parameter: str) -> None:
    """Refuses what can hold no clean images: an empty folder, a model's file, a single image.

    Args:
        path: What was typed.
        parameter: What it was typed for.

    Raises:
        ValueError: If there is nothing of that name, or nothing in it, or a file of another kind.
    """
    from exray.images.layouts.detection import FILE_SUFFIXES  # needs numpy, and no torch

    if is_url(path):  # looked up later
        return
    place = Path(path)
    if not place.exists():
        raise ValueError(f"{parameter} must be a folder; got {path!r}; there is none of that name")
    if place.is_file() and place.suffix.lower() not in FILE_SUFFIXES:
        packed = "; unpack it and give the folder" if place.suffix.lower() in _PACKED else ""
        raise ValueError(
            f"{parameter} must be a folder of images by class, or a file in "
            f"{', '.join(FILE_SUFFIXES)}; got the file {path!r}{packed}"
        )
    if place.is_dir() and not any(place.iterdir()):
        raise ValueError(f"{parameter} must be a folder of images by class; {path!r} is empty")


def check_factory(spec: str, parameter: str) -> None:
    """Refuses a factory whose file is missing. It is not executed.

    Args:
        spec: What was typed, ``FILE.py:function``.
        parameter: What it was typed for.

    Raises:
        ValueError: If no file is named, or it is missing.
    """
    file, colon, _ = spec.rpartition(":")
    if not colon or not Path(file).is_file():
        raise ValueError(
            f"{parameter} must be FILE.py:function with a file that exists; got {spec}"
        )


def check_architecture_name(architecture: str, parameter: str) -> None:
    """Refuses an architecture that neither exray nor torchvision nor timm has.

    Names are read from the libraries' sources, since importing them takes seconds.

    Args:
        architecture: One of ours, one of TrojAI's, ``torchvision/NAME`` or ``timm/NAME``.
        parameter: What it was typed for.

    Raises:
        ValueError: If there is no such name; names similar ones.
    """
    library, _, name = architecture.rpartition("/")
    own, torchvision, timm = own_names(), library_names("torchvision"), library_names("timm")
    known = {"": {*own, *torchvision}, "torchvision": torchvision, "timm": timm}
    if library == "timm" and not timm:
        return  # not installed, which the library says
    if name in known.get(library, ()):
        return
    typed_alike = {f"{library}/{near}".lstrip("/") for near in known.get(library, known[""])}
    similar = difflib.get_close_matches(architecture, sorted(typed_alike), n=_NUM_SIMILAR)
    similar = similar or _beginning_alike(name, known)
    hint = f"did you mean {', '.join(similar)}? " if similar else ""
    raise ValueError(
        f"{parameter} {architecture!r} is not known; {hint}known: {', '.join(sorted(own))}, "
        "torchvision/NAME and timm/NAME; for any other network give a factory, FILE.py:function"
    )


def _beginning_alike(name: str, known: Mapping[str, set[str]]) -> list[str]:
    """Names of the libraries that begin as a name does, the shortest first."""
    start = name.lower().replace("-", "_")
    alike = [
        f"{library}/{near}"
        for library in ("torchvision", "timm")
        for near in known[library]
        if start and near.startswith(start)
    ]
    return sorted(alike, key=lambda near: (len(near), near))[:_NUM_SIMILAR]


def own_names() -> set[str]:
    """Networks of exray: the files that define a function of their own name."""
    return {
        path.stem
        for path in _NETWORKS.glob("*.py")
        if re.search(rf"^def {path.stem}\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def library_names(library: str) -> set[str]:
    """Classifiers that a library's sources register; empty if it is not installed.

    Args:
        library: ``torchvision`` or ``timm``.
    """
    return {
        name
        for path in _sources(library)
        for name in _REGISTERED.findall(path.read_text(encoding="utf-8"))
    }


def _sources(library: str) -> Iterator[Path]:
    """Python files of a library's ``models`` folder, found without importing it."""
    spec = PathFinder.find_spec(library)
    for place in (spec and spec.submodule_search_locations) or ():
        yield from (Path(place) / "models").glob("*.py")
