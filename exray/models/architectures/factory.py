"""Networks built by a function in the user's own Python file."""

import hashlib
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import cast

from torch import nn


def network_from_factory(factory: str | Callable[[], object]) -> nn.Module:
    r"""The network that a function builds, the caller's own or one in a Python file.

    The file is executed: whoever names it vouches for it. It is run as a module of its own;
    ``sys.path`` stays as it is, so it can import installed packages and find data files beside it
    through ``__file__``, but not import its neighbours. Nothing is written beside it.

    Args:
        factory: A function, or ``FILE.py:function``; it takes no argument and returns an
            ``nn.Module``.

    Raises:
        ValueError: If ``factory`` has no colon, the file or the function is missing or fails, or
            the function needs arguments or returns something else.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "networks.py"
        >>> _ = path.write_text("from torch import nn\ndef tiny(): return nn.Linear(2, 3)")
        >>> network_from_factory(f"{path}:tiny")
        Linear(in_features=2, out_features=3, bias=True)
    """
    if not isinstance(factory, str):
        return _built(factory, factory_name(factory))
    return _built(_function(factory), factory)


def factory_name(factory: str | Callable[[], object]) -> str:
    """What messages call a factory: ``FILE.py:function``, or the function's own name."""
    if isinstance(factory, str):
        return factory
    return str(getattr(factory, "__name__", type(factory).__name__))


def _function(spec: str) -> Callable[[], object]:
    """The function that ``FILE.py:function`` names; the file is executed."""
    file, colon, name = spec.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise ValueError(f"factory must be FILE.py:function; got {spec!r}")
    module = _executed(Path(file))
    if name not in vars(module):
        functions = [key for key, value in vars(module).items() if _is_own_function(value, module)]
        raise ValueError(
            f"factory names {name!r}, which is not in {file}; "
            f"it has: {', '.join(functions) or 'no function'}"
        )
    function = vars(module)[name]
    if not callable(function):
        raise ValueError(f"factory must name a function; {spec} is a {type(function).__name__}")
    return cast("Callable[[], object]", function)


def _executed(path: Path) -> ModuleType:
    """The file's module, run under a name that no other module has."""
    if not path.is_file():
        raise ValueError(f"factory must be FILE.py:function with a file that exists; got {path}")
    resolved = path.resolve()
    name = f"exray_factory_{hashlib.sha256(str(resolved).encode()).hexdigest()[:16]}"
    loader = importlib.machinery.SourceFileLoader(name, str(resolved))
    spec = importlib.util.spec_from_file_location(name, resolved, loader=loader)
    assert spec is not None, resolved
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up there
    try:
        # Not loader.exec_module, which writes __pycache__ into the user's folder.
        exec(compile(resolved.read_bytes(), str(resolved), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ValueError(
            f"factory: running {path} failed ({type(error).__name__}: {error}); "
            "keep the factory and what it needs in that one file, with installed packages only"
        ) from error
    return module


def _built(factory: Callable[[], object], spec: str) -> nn.Module:
    """What the factory returns, if it is a network."""
    needed = _needed_arguments(factory)
    if needed:
        raise ValueError(
            f"factory must name a function that needs no argument; {spec} needs "
            f"{', '.join(needed)}; give them defaults"
        )
    try:
        network = factory()
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"factory: {spec} raised {type(error).__name__}: {error}; "
            "it must build the network without reading the checkpoint"
        ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(
            f"factory must return a torch.nn.Module; {spec} returned a {type(network).__name__}"
        )
    return network


def _needed_arguments(factory: Callable[[], object]) -> list[str]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # some callables written in C have no signature
        return []
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _is_own_function(value: object, module: ModuleType) -> bool:
    return inspect.isfunction(value) and value.__module__ == module.__name__
