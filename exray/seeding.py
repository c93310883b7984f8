"""Small helpers over tensors and random streams that every layer may use."""

import hashlib

import torch


def derive_seed(seed: int, *parts: str | int) -> int:
    """A seed of its own for each named part of a run, the same wherever it is asked for.

    Args:
        seed: The run's seed.
        parts: What the stream is for, in words and indices.

    Example:
        >>> derive_seed(0, "pair", 3) == derive_seed(0, "pair", 3)
        True
        >>> derive_seed(0, "pair", 3) == derive_seed(0, "pair", 4)
        False
    """
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def generator(seed: int, *parts: str | int) -> torch.Generator:
    """A CPU random stream of its own for each named part of a run."""
    return torch.Generator().manual_seed(derive_seed(seed, *parts))
