"""Libraries that only some commands need: imported when used, with the way to install them."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def import_extra(module: str, *, extra: str, purpose: str) -> ModuleType:
    """A module of a library that a plain installation does not have.

    Args:
        module: Its dotted name.
        extra: The optional dependencies of exray that hold it.
        purpose: What needs it, as the subject of a sentence.

    Raises:
        ValueError: If the library is not installed; says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        if find_spec(library) is not None:
            raise  # the library is there and lacks something of its own
        raise ValueError(
            f"{purpose} needs {library}, which is not installed: pip install 'exray[{extra}]'"
        ) from error
