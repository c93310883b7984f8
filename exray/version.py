"""The version of exray that runs."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def own_version() -> str:
    """The installed version; ``unknown`` in a checkout that was never installed."""
    try:
        return version("exray")
    except PackageNotFoundError:
        return "unknown"
