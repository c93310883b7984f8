"""EX-RAY: tells natural triggers of image classifiers from injected ones.

The library in five lines::

    import exray

    classifier = exray.load_classifier("model.pt", architecture="torchvision/resnet18")
    report = exray.scan(classifier, exray.load_samples("clean_images/", size=224))
    print(report.verdict, report.probability)
    report.to_html("report.html")
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from exray.torchvision_compat import install

if TYPE_CHECKING:  # torch takes seconds to import: names are imported when they are used
    from exray.api import (
        Classifier,
        FileOptions,
        Preprocessing,
        SampleSet,
        ScanReport,
        Verdict,
        load_classifier,
        load_samples,
        make_judge,
        make_scanner,
        scan,
    )
    from exray.api_repair import RepairReport, repair_classifier

__all__ = [
    "Classifier",
    "FileOptions",
    "Preprocessing",
    "RepairReport",
    "SampleSet",
    "ScanReport",
    "Verdict",
    "__version__",
    "load_classifier",
    "load_samples",
    "make_judge",
    "make_scanner",
    "repair_classifier",
    "scan",
]

_REPAIR = ("RepairReport", "repair_classifier")  # of another module, whose imports take longer

try:
    __version__ = version("exray")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "unknown"

install()


def __getattr__(name: str) -> object:
    """A public name, imported on first use (PEP 562)."""
    if name in __all__:
        module = "exray.api_repair" if name in _REPAIR else "exray.api"
        value: object = getattr(import_module(module), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exray' has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
