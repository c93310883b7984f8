"""Which architectures of timm and torchvision have a file's names and shapes.

Building all of them takes minutes, so a sketch of each one's names and shapes is kept in index.txt.
Run: python -m exray.models.architectures.index
"""

import hashlib
import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).with_name("index.txt")
_SKETCH = 12  # hashes kept of an architecture's names and shapes
_DIGITS = 8  # of a hash, in hexadecimal
_LIBRARIES = ("torchvision", "timm")

Shapes = Mapping[str, Sequence[int]]


def sketch(shapes: Shapes) -> tuple[str, ...]:
    """A few hashes by which sets of names and shapes are compared.

    The smallest hashes of a set are a random sample of it, and the same one in each set that they
    are in. Counts of batches are left out, since files often lack them.

    Args:
        shapes: Sides of weights by name.

    Example:
        >>> sketch({"fc.bias": (2,)}) == sketch({"fc.bias": [2], "bn.num_batches_tracked": []})
        True

    Source: Broder 1997, on the resemblance of documents, with the k smallest values of one hash.
    """
    texts = (
        f"{name}:{'x'.join(map(str, sides))}"
        for name, sides in shapes.items()
        if not name.endswith("num_batches_tracked")
    )
    hashes = (
        hashlib.blake2b(text.encode(), digest_size=_DIGITS // 2).hexdigest() for text in texts
    )
    return tuple(sorted(hashes)[:_SKETCH])


def resemblance(one: Sequence[str], other: Sequence[str]) -> float:
    """The share of names and shapes that two sets have in common, estimated from their sketches.

    Args:
        one: As :func:`sketch` makes it.
        other: Likewise.

    Example:
        >>> resemblance(("a", "b"), ("a", "b")), resemblance(("a",), ("b",)), resemblance((), ())
        (1.0, 0.0, 0.0)
    """
    smallest = sorted({*one, *other})[:_SKETCH]
    both = {*one} & {*other}
    return sum(item in both for item in smallest) / len(smallest) if smallest else 0.0


def resembling(shapes: Shapes, *, limit: int) -> list[str]:
    """The architectures whose names and shapes are the most like a file's, best first.

    Args:
        shapes: Sides of a file's weights by name.
        limit: At most so many.

    Returns:
        ``torchvision/NAME`` or ``timm/NAME``; those with nothing in common are left out.
    """
    given = sketch(shapes)
    scores = [
        (resemblance(given, kept), names) for kept, names in _index() if set(kept) & set(given)
    ]
    ranked = sorted(scores, key=lambda pair: -pair[0])
    return [name for _, names in ranked for name in names][:limit]


@lru_cache(maxsize=1)
def _index() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """The sketches that are kept, each with the architectures that have it."""
    rows = []
    for line in _FILE.read_text(encoding="ascii").splitlines():
        digits, *names = line.split()
        parts = tuple(digits[place : place + _DIGITS] for place in range(0, len(digits), _DIGITS))
        rows.append((parts, tuple(names)))
    return tuple(rows)


def write_index(names: Iterable[str]) -> None:
    """Makes the file of sketches anew.

    Args:
        names: Architectures; those that cannot be built are left out.
    """
    import torch

    from exray.models.architectures.registry import build

    rows: dict[str, list[str]] = {}
    for name in names:
        device = "cpu" if name.startswith("torchvision/regnet") else "meta"
        try:
            with torch.device(device):
                state = build(name, num_classes=1000).state_dict()
        except (RuntimeError, ValueError, TypeError, ImportError, AssertionError):
            continue
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        rows.setdefault("".join(sketch(shapes)), []).append(name)
    lines = sorted(" ".join((digits, *found)) for digits, found in rows.items() if digits)
    _FILE.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def all_names() -> Iterator[str]:
    """Every classifier of torchvision and timm, torchvision's first."""
    models = importlib.import_module("torchvision.models")
    yield from (f"torchvision/{name}" for name in models.list_models(module=models))
    yield from (f"timm/{name}" for name in importlib.import_module("timm").list_models())


if __name__ == "__main__":
    write_index(all_names())
