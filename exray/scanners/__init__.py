"""Scanners: they invert triggers. Read ``base.py`` first; ``conf/scanner`` has their values."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exray.scanners.abs.both import AbsBoth
    from exray.scanners.abs.filters import AbsFilterScanner
    from exray.scanners.abs.patches import AbsPatchScanner
    from exray.scanners.base import FileScanner, Scanner, ScannerResult
    from exray.scanners.ensemble import ScannerEnsemble
    from exray.scanners.external import ExternalScanner
    from exray.scanners.k_arm.scanner import KArm
    from exray.scanners.neural_cleanse.scanner import NeuralCleanse
    from exray.scanners.portfolio.scanner import PortfolioScanner
    from exray.scanners.sri.sri_cls import SriCls
    from exray.scanners.sri.sri_re import SriRe

_MODULES = {
    "AbsBoth": "abs.both",
    "AbsFilterScanner": "abs.filters",
    "AbsPatchScanner": "abs.patches",
    "ExternalScanner": "external",
    "FileScanner": "base",
    "KArm": "k_arm.scanner",
    "NeuralCleanse": "neural_cleanse.scanner",
    "PortfolioScanner": "portfolio.scanner",
    "Scanner": "base",
    "ScannerEnsemble": "ensemble",
    "ScannerResult": "base",
    "SriCls": "sri.sri_cls",
    "SriRe": "sri.sri_re",
}

__all__ = [
    "AbsBoth",
    "AbsFilterScanner",
    "AbsPatchScanner",
    "ExternalScanner",
    "FileScanner",
    "KArm",
    "NeuralCleanse",
    "PortfolioScanner",
    "Scanner",
    "ScannerEnsemble",
    "ScannerResult",
    "SriCls",
    "SriRe",
]


def __getattr__(name: str) -> type:
    """Imports a scanner when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module 'exray.scanners' has no attribute {name!r}")
    scanner: type = getattr(import_module(f"exray.scanners.{_MODULES[name]}"), name)
    return scanner
