"""Where in a file's contents the weights are: every state dict and network, best first."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from exray.errors import CheckpointError
from exray.models.checkpoints.pickles.contents import StoredObject, StoredTensor
from exray.text import shown, some

WEIGHTS_FLAG = "dataset.weights="  # how messages tell what takes other weights
# Keys that programs keep a classifier's weights under, the likeliest first.
_KEYS = (
    "state_dict", "model_state_dict", "model_state", "model", "net", "network", "netC",
    "net_state_dict", "net_dict", "classifier", "weights", "params", "module", "backbone",
)  # fmt: skip
_NO_WEIGHTS = re.compile(
    r"optim|sched|scaler|criterion|loss|callback|loops|hyper|metric|history|rng|config|args|amp$",
    re.IGNORECASE,
)
_EMA = re.compile(r"(^|[._])(ema|swa|averaged)([._]|$)", re.IGNORECASE)
_MAX_ENTRIES = 64
_MAX_VALUES = 500_000

Weight = Tensor | StoredTensor
"""A tensor in memory, or in a file."""


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """A state dict, or a network's weights, somewhere in a file.

    Args:
        key: Where, with dots between keys; empty at the top.
        weights: Tensors by name.
        others: Keys beside the tensors that hold something else.
        network: The network, where it is one whole.
    """

    key: str
    weights: Mapping[str, Weight]
    others: tuple[str, ...] = ()
    network: StoredObject | None = None

    @property
    def is_ema(self) -> bool:
        """Whether its key says that it is an average of weights."""
        return _EMA.search(self.key) is not None


def weights_entries(value: object) -> tuple[WeightsEntry, ...]:
    """Every place in a file's contents that holds weights by name, the likeliest first.

    A place with less than half the tensors of the largest comes after those with more, averages
    after the weights they average, then keys by how usual they are, then the shallower one.

    Args:
        value: Contents of a pickle, or a state dict.

    Example:
        >>> import torch
        >>> weights = {"a.weight": torch.ones(1), "a.bias": torch.ones(1)}
        >>> found = weights_entries({"ema": dict(weights), "netC": weights, "grid": torch.ones(1)})
        >>> [entry.key for entry in found]
        ['netC', '', 'ema']
    """
    entries = list(_walk(value))
    most = max((len(entry.weights) for entry in entries), default=0)

    def rank(entry: WeightsEntry) -> tuple[object, ...]:
        last = entry.key.rpartition(".")[2]
        usual = _KEYS.index(last) if last in _KEYS else len(_KEYS)
        is_small = 2 * len(entry.weights) < most
        return is_small, entry.is_ema, not entry.key, usual, entry.key.count(".")

    return tuple(sorted(entries, key=rank))


def _walk(value: object) -> Iterator[WeightsEntry]:
    """Entries in order of appearance, each object once."""
    waiting: list[tuple[str, object]] = [("", value)]
    seen: set[int] = set()
    count = 0
    while waiting and count < _MAX_ENTRIES:
        key, item = waiting.pop(0)
        if id(item) in seen or len(seen) > _MAX_VALUES:
            continue
        seen.add(id(item))
        if isinstance(item, StoredObject) and item.is_network:
            entry: WeightsEntry | None = WeightsEntry(
                key=key, weights=module_weights(item), network=item
            )
        else:
            entry = _entry(key, item)
            waiting.extend(_inner(key, item))
        if entry is not None and entry.weights:
            count += 1
            yield entry


def _entry(key: str, item: object) -> WeightsEntry | None:
    """The state dict that a mapping is, if it holds a tensor by name."""
    if not isinstance(item, Mapping):
        return None
    weights = {
        name: value
        for name, value in item.items()
        if isinstance(name, str) and isinstance(value, Tensor | StoredTensor)
    }
    others = tuple(str(name) for name in item if name not in weights)
    return WeightsEntry(key=key, weights=weights, others=others) if weights else None


def _inner(key: str, item: object) -> list[tuple[str, object]]:
    """What lies inside a value under keys that may hold weights."""
    pairs: Iterable[tuple[object, object]] = ()
    if isinstance(item, Mapping):
        pairs = item.items()
    elif isinstance(item, StoredObject):
        pairs = item.parts.items()
    elif isinstance(item, list | tuple) and len(item) <= _MAX_ENTRIES:
        pairs = ((str(place), value) for place, value in enumerate(item))
    prefix = f"{key}." if key else ""
    kinds = (Mapping, StoredObject, list, tuple)
    return [
        (f"{prefix}{name}", value)
        for name, value in pairs
        if isinstance(name, str) and isinstance(value, kinds) and not _NO_WEIGHTS.search(name)
    ]


def module_weights(network: StoredObject) -> dict[str, Weight]:
    """A network's parameters and buffers by name, as its ``state_dict`` would have them.

    Args:
        network: An object whose attributes are a module's; nothing of it is made.
    """
    found: dict[str, Weight] = {}
    waiting: list[tuple[str, StoredObject]] = [("", network)]
    seen: set[int] = set()
    while waiting:
        prefix, module = waiting.pop(0)
        if id(module) in seen:
            continue
        seen.add(id(module))
        unsaved = module.parts.get("_non_persistent_buffers_set")
        for group in ("_parameters", "_buffers"):
            values = module.parts.get(group)
            for name, value in values.items() if isinstance(values, Mapping) else ():
                skipped = isinstance(unsaved, set) and group == "_buffers" and name in unsaved
                if isinstance(value, Tensor | StoredTensor) and not skipped:
                    found[f"{prefix}{name}"] = value
        children = module.parts.get("_modules")
        waiting.extend(
            (f"{prefix}{name}.", child)
            for name, child in (children.items() if isinstance(children, Mapping) else ())
            if isinstance(child, StoredObject)
        )
    return found


def chosen_entries(
    entries: Sequence[WeightsEntry], weights: str | None, path: Path
) -> tuple[WeightsEntry, ...]:
    """The entries that a user's choice leaves; all without one.

    Args:
        entries: As :func:`weights_entries` found them.
        weights: A key, its last part, the first part of the weights' own names, or ``ema``.
        path: The file, for messages.

    Raises:
        CheckpointError: If nothing in the file is called so.

    Example:
        >>> import torch
        >>> weights = {"a": torch.ones(1)}
        >>> found = weights_entries({"model": dict(weights), "model_ema": weights})
        >>> [entry.key for entry in chosen_entries(found, "ema", Path("m.pt"))]
        ['model_ema']
    """
    if weights is None:
        return tuple(entries)
    exact = [entry for entry in entries if entry.key == weights]
    last = [entry for entry in entries if entry.key.rpartition(".")[2] == weights]
    named = [entry for entry in entries if weights == "ema" and entry.is_ema]
    inside = [part for entry in entries if (part := _under(entry, weights)) is not None]
    chosen = exact or last or named or inside
    if not chosen:
        raise CheckpointError(
            path,
            f"holds no weights under {shown(weights)!r}",
            f"it holds weights under: {some([entry.key or 'the top' for entry in entries], 8)}",
        )
    return tuple(chosen)


def _under(entry: WeightsEntry, weights: str) -> WeightsEntry | None:
    """The part of a state dict whose names start with a prefix, or with one of an average."""
    firsts = dict.fromkeys(name.partition(".")[0] for name in entry.weights if "." in name)
    match = (weights.rstrip("."),) if weights != "ema" else tuple(filter(_EMA.search, firsts))
    inside = {
        name: value
        for name, value in entry.weights.items()
        if any(name.startswith(f"{first}.") for first in match)
    }
    return replace(entry, weights=inside, network=None) if inside else None


def choice_remark(
    entry: WeightsEntry, entries: Sequence[WeightsEntry], value: object, objects: Sequence[str]
) -> str:
    """A sentence on which weights were taken and what was left out; empty for a bare state dict.

    Args:
        entry: What was taken.
        entries: All that there were.
        value: The file's contents.
        objects: Classes of what was not made.
    """
    parts = []
    rivals = [
        other.key or "the top"
        for other in entries
        if other.key != entry.key and 2 * len(other.weights) >= len(entry.weights)
    ]
    if rivals:
        parts.append(
            f"it also holds weights under {some(rivals)}, which {WEIGHTS_FLAG}KEY takes instead"
        )
    beside = [*_beside(entry.key, value), *entry.others] if entry.network is None else []
    beside = [name for name in dict.fromkeys(beside) if name not in rivals]
    if beside:
        parts.append(f"left out: {some(beside, 6)}")
    if objects:
        parts.append(f"not made: instances of {some(objects, 6)}")
    if not parts:
        return ""
    taken = f"the weights under {shown(entry.key)!r} were taken" if entry.key else "weights taken"
    return "; ".join((taken, *parts))


def _beside(key: str, value: object) -> list[str]:
    """The keys at the top that are not on the way to the weights."""
    if not key or not isinstance(value, Mapping):
        return []
    first = next((str(name) for name in value if f"{key}.".startswith(f"{name}.")), "")
    return [str(name) for name in value if str(name) != first]
