"""The four failures that callers tell apart, each built from the object it is about."""

from collections.abc import Sequence
from pathlib import Path


class LayerNotFoundError(ValueError):
    """A layer name or rule names no place at which the network can be cut.

    Args:
        layer: The name or rule that was asked for.
        network: What the network is called in the message.
        available: The layers the network does have.
        reason: Why the layer is no use, where it exists but cannot be the cut.

    Example:
        >>> str(LayerNotFoundError("layer5", "resnet18", ["layer3", "layer4"]))
        "layer 'layer5' is not in resnet18; it has: layer3, layer4"
    """

    def __init__(
        self, layer: str, network: str, available: Sequence[str], reason: str = ""
    ) -> None:
        rule = reason or f"is not in {network}"
        super().__init__(f"layer {layer!r} {rule}; it has: {', '.join(available) or 'none'}")


class CheckpointError(ValueError):
    """A model file cannot be turned into the network it should hold.

    Args:
        path: The file.
        problem: What is wrong with it, as a clause.
        way_out: What the user can do about it.

    Example:
        >>> str(CheckpointError(Path("m.pt"), "is not a checkpoint", "save a state dict"))
        'm.pt is not a checkpoint; save a state dict'
    """

    def __init__(self, path: Path | str, problem: str, way_out: str) -> None:
        super().__init__(f"{path} {problem}; {way_out}")


class RecordError(ValueError):
    """A stored record is missing, broken, or belongs to another configuration.

    Args:
        path: The record's place, a URL for one.
        problem: What is wrong with it, as a clause.
        way_out: What the user can do about it.

    Example:
        >>> str(RecordError(Path("r"), "holds no record", "scan first"))
        'r holds no record; scan first'
    """

    def __init__(self, path: Path | str, problem: str, way_out: str) -> None:
        super().__init__(f"{path} {problem}; {way_out}")


class StorageError(ValueError):
    """A disk takes no more: it is full, read-only, or not ours to write to.

    Args:
        path: What could not be written.
        reason: The system's words.

    Example:
        >>> str(StorageError(Path("results"), "No space left on device"))
        'results cannot be written: No space left on device; the same command goes on once it can'
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be written: {reason}; the same command goes on once it can"
        )
