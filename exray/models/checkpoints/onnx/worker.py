"""Rehearses the reading of a stranger's ONNX file in a process of its own.

:mod:`exray.models.checkpoints.onnx.file` starts it. It makes the graph plain, converts it and runs
it on a few images, with little memory and time, and can neither write files nor start processes; a
crash of it is an answer like any other. Its standard output is the plain graph, which the caller
then converts in the same way.
"""

import importlib
import json
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from exray.models.checkpoints.onnx.plain_graph import (
    MAX_BYTES,
    PlainGraph,
    RefusedGraphError,
    plain_graph,
)

REFUSED = 3  # exit status; the clause is on stderr
CPU_SECONDS = 50  # of which importing takes five
_SPARE_BYTES = 2**30  # beside what importing took, and eight times the file
_BATCH = 4  # images of the rehearsal
_SIDES = (224, 32, 64, 28, 299)  # tried where the graph takes images of any size


def answered(path: Path, *, prepare: Callable[[], None] = lambda: None) -> tuple[int, bytes, str]:
    """Exit status, the plain graph behind a line of JSON about it, and why there is none.

    Args:
        path: The file.
        prepare: Called between reading the graph and converting it.
    """
    try:
        graph = plain_graph(path)
        prepare()
        _rehearse(graph)
        if graph.model.ByteSize() > MAX_BYTES:
            raise RefusedGraphError("is larger than 2 GiB with the files beside it")
        facts = {"operations": graph.operations, "files": graph.files, "sides": graph.sides}
        return 0, json.dumps(facts).encode() + b"\n" + graph.model.SerializeToString(), ""
    except RefusedGraphError as error:
        problem = str(error)
    except MemoryError:
        problem = "wants more memory than its length allows"
    except Exception as error:  # parsers and converters raise anything on a damaged file
        problem = f"is truncated, damaged or no ONNX file ({_line(error)})"
    return REFUSED, b"", problem


def _rehearse(graph: PlainGraph) -> None:
    """Converts the graph and runs it once; torch is imported for graphs that came so far."""
    import torch

    converter = importlib.import_module("onnx2torch")
    try:
        network = converter.convert(graph.model).eval()
    except NotImplementedError as error:
        raise RefusedGraphError(f"has what the converter does not know ({_line(error)})") from error
    problem = ""
    for shape in _shapes(graph.sides):
        try:
            with torch.no_grad():
                network(torch.zeros(shape))
        except Exception as error:
            problem = _line(error)
            if isinstance(error, MemoryError) or "memory" in problem:
                raise MemoryError from error
        else:
            return
    raise RefusedGraphError(f"does not run on images ({problem})")


def _line(error: Exception) -> str:
    """An error on one line."""
    return ascii(" ".join(f"{type(error).__name__}: {error}".split()))[1:-1][:160]


def _shapes(sides: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Shapes of images that a graph says it takes."""
    count, *rest = sides
    for side in _SIDES if 0 in rest else (0,):
        channels_last = rest[2] in (1, 3, 4) and rest[0] not in (1, 3, 4)
        filled = [length or side for length in rest]
        filled[2 if channels_last else 0] = rest[2 if channels_last else 0] or 3
        yield (count or _BATCH, *filled)


def _bound(length: int) -> None:
    """Takes away what reading a file of that length does not need; importing can take it back."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: used + _SPARE_BYTES + 8 * length,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


def _import_converter(length: int) -> None:
    """Imports what converts, without bounds of memory, then bounds it for good."""
    for limit in (
        resource.RLIMIT_AS,
        resource.RLIMIT_FSIZE,
    ):  # importing looks for a place to write
        resource.setrlimit(limit, resource.getrlimit(limit)[1:] * 2)
    torch = importlib.import_module("torch")
    importlib.import_module("onnx2torch")
    torch.set_num_threads(1)
    _bound(length)
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, resource.getrlimit(limit)[:1] * 2)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _length(path: Path) -> int:
    """Bytes of the file and of the files beside it that may hold its numbers."""
    beside = [other for other in path.parent.iterdir() if other.is_file() and other != path]
    data = [other.stat().st_size for other in beside if other.name.endswith((".data", ".weights"))]
    return min(path.stat().st_size + sum(data), MAX_BYTES)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    size = _length(file)
    _bound(size)
    exit_status, output, why = answered(file, prepare=lambda: _import_converter(size))
    sys.stdout.buffer.write(output)
    sys.stderr.write(why)
    sys.stdout.flush()
    sys.exit(exit_status)
