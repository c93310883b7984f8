"""Seeds and random streams, one per named part of a run."""

import hashlib

import torch


def derive_seed(seed: int, *parts: str | int) -> int:
    """The seed of a named part of a run, the same wherever it is derived.

    Args:
        seed: The run's seed.
        parts: Name of the part, in words and indices.

    Example:
        >>> derive_seed(0, "pair", 3) == derive_seed(0, "pair", 3)
        True
        >>> derive_seed(0, "pair", 3) == derive_seed(0, "pair", 4)
        False
    """
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def generator(seed: int, *parts: str | int) -> torch.Generator:
    """A CPU random stream for a named part of a run.

    Args:
        seed: The run's seed.
        parts: Name of the part, in words and indices.
    """
    return torch.Generator().manual_seed(derive_seed(seed, *parts))
