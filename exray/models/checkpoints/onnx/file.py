"""A network out of a stranger's ONNX file: rehearsed in a process of its own, then converted."""

import importlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from exray.errors import CheckpointError
from exray.extras import import_extra
from exray.subprocesses import run_bounded

_WORKER = "exray.models.checkpoints.onnx.worker"
_REFUSED = 3  # the worker's exit status for a graph that is not read
_SECONDS = 600.0  # wall time of the worker, which may take 50 of them on the processor
_WAY_OUT = "export it again with torch.onnx.export, or save its weights as .safetensors"
NO_FILE_BESIDE = "which is no file beside it"
_COPY_BESIDE = "copy that file, under its own name, into the folder of the graph"


@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """What an ONNX file holds.

    Args:
        graph: The plain graph, as protobuf.
        operations: How often each operation occurs.
        files: The files beside it that hold its numbers.
        sides: Of its input, images first; 0 where any length will do.
    """

    graph: bytes
    operations: Mapping[str, int]
    files: tuple[Path, ...]
    sides: tuple[int, ...]


def read_onnx(path: Path) -> OnnxFile:
    """The graph in an ONNX file, once a process of its own has read, converted and run it.

    Args:
        path: The file.

    Raises:
        CheckpointError: If the graph is damaged, needs more memory or time than a classifier of its
            size, or holds what no exporter writes for a classifier of images.
        ValueError: If the converter is not installed.
    """
    import_extra("onnx", extra="onnx", purpose=f"{path}, an ONNX graph,")
    import_extra("onnx2torch", extra="onnx", purpose=f"{path}, an ONNX graph,")
    status, output, errors = _rehearsed(path)
    if status:
        last = errors.strip().splitlines()[-1:] or [f"status {status}"]
        crash = f"made its reader end unexpectedly ({ascii(last[0])[1:-1][:120]})"
        problem = errors.strip() if status == _REFUSED else crash
        way_out = _COPY_BESIDE if problem.endswith(NO_FILE_BESIDE) else _WAY_OUT
        raise CheckpointError(path, problem, way_out)
    line, _, graph = output.partition(b"\n")
    facts = json.loads(line)
    return OnnxFile(
        graph=graph,
        operations=facts["operations"],
        files=tuple(path.parent / name for name in facts["files"]),
        sides=tuple(facts["sides"]),
    )


def _rehearsed(path: Path) -> tuple[int, bytes, str]:
    """The worker's exit status, standard output and standard error."""
    root = str(Path(__file__).resolve().parents[4])
    places = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    result = run_bounded(
        [sys.executable, "-PB", "-m", _WORKER, str(path)],
        seconds=_SECONDS,
        environment={"PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"},
    )
    if result.status is None:
        return 1, b"", f"no answer within {_SECONDS:.0f} s"
    return result.status, result.output, result.errors


def onnx_network(file: OnnxFile) -> nn.Module:
    """The network of a plain graph, of torch's layers and onnx2torch's, in eval mode.

    Args:
        file: As :func:`read_onnx` gives it; the same conversion has been rehearsed.
    """
    onnx = importlib.import_module("onnx")
    converter = importlib.import_module("onnx2torch")
    network: nn.Module = converter.convert(onnx.ModelProto.FromString(file.graph))
    return network.eval().requires_grad_(False)
