"""The package names its scanners, and imports them when they are used."""

import pytest

import exray.scanners
from exray.scanners.base import Scanner, ScannerResult


def test_every_public_name_is_a_class_of_this_package():
    for name in exray.scanners.__all__:
        scanner = getattr(exray.scanners, name)
        assert scanner.__name__ == name
        assert issubclass(scanner, Scanner | ScannerResult)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match=r"'exray\.scanners' has no attribute 'Abs'"):
        exray.scanners.Abs  # noqa: B018
