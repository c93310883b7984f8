"""Lets torchvision be imported beside a torch build that its own operators do not fit.

A torchvision wheel built for CUDA fails on import beside a CPU build of torch ("operator
torchvision::nms does not exist"), and with it torchmetrics, Lightning and timm, which import it
wherever it is installed. Its models and transforms need none of those operators; declaring the two
that are looked up at import is enough. Where the operators do load, nothing is declared.
"""

import importlib.util
import sys
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes seconds to import, and not every use of exray needs it
    from torch.library import Library

_LOOKED_UP = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class TorchvisionFinder(MetaPathFinder):
    """Prepares torch just before torchvision is first imported; costs nothing until then."""

    def __init__(self) -> None:
        self.declared: Library | None = None  # the declarations live as long as this does

    def find_spec(
        self,
        fullname: str,
        path: Iterable[str] | None,  # a namespace package's path is no Sequence
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """None always: torchvision itself is found as usual."""
        del path, target
        if fullname == "torchvision" and self.declared is None:
            sys.meta_path.remove(self)
            try:
                self._prepare()
            finally:
                sys.meta_path.append(self)
        return None

    def _prepare(self) -> None:
        """Loads torchvision's operators, or declares those that its import looks up."""
        import torch

        spec = importlib.util.find_spec("torchvision")
        if spec is None or spec.submodule_search_locations is None:
            return
        for library in Path(spec.submodule_search_locations[0]).glob("_C*.so"):
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
            except OSError:  # built against another torch
                continue
            return
        self.declared = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in _LOOKED_UP:
            self.declared.define(f"{name}{_SCHEMA}")  # type: ignore[no-untyped-call]


def install() -> None:
    """Puts the finder in place, once."""
    if not any(isinstance(finder, TorchvisionFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, TorchvisionFinder())
