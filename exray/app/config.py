"""The configuration's root: which keys there are, and how components are built from them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict

from exray.presets.class_paths import without_paths

# What may differ between two runs without making them different runs.
_NOT_IDENTITY = (
    "paths",
    "logger",
    "name",
    "task",
    "shard",
    "worker",
    "limit",
    "fast",
    "kinds",
    "trainer",
    "experiment",
    "rejudge",
    "repair",
    "table",
)


@dataclass
class RootConfig:
    """Root keys; a misspelt one stops the run. Groups are checked by what they construct."""

    task: str = MISSING
    dataset: Any = MISSING
    scanner: Any = MISSING
    layer: Any = MISSING
    judge: Any = MISSING
    scan: Any = MISSING
    trainer: Any = MISSING
    logger: Any = MISSING
    paths: Any = MISSING
    rejudge: Any = MISSING
    repair: Any = MISSING
    table: Any = None
    name: str | None = None
    seed: int = 0
    shard: str = "0/1"
    worker: int = 0
    limit: int | None = None
    fast: bool = False
    kinds: list[str] | None = None


TASK_NAMES = (
    "scan",
    "build_zoo",
    "report",
    "rejudge",
    "compare",
    "tabulate",
    "dashboard",
    "fit",
    "repair",
)


def register() -> None:
    """Makes the root's schema known to Hydra."""
    ConfigStore.instance().store(name="root_schema", node=RootConfig)


def settle_fast_values(config: DictConfig, overrides: Sequence[str]) -> None:
    """Merges the scanner's ``fast`` blocks where ``config.fast`` asks for it, then drops them.

    A block is merged over the mapping that holds it. What the command line sets stays as set.

    Args:
        config: The composed configuration, changed in place.
        overrides: The command line's words of this run, such as ``scanner.engine.min_asr=0.9``.
    """
    stated = [word.partition("=")[0].lstrip("+~") for word in overrides if "." in word]
    plain = OmegaConf.to_container(config.scanner, resolve=False)
    for place, block in list(_fast_blocks(plain, "scanner")):
        for key, value in _leaves(block, place) if config.fast else ():
            if not any(f"{key}.".startswith(f"{name}.") for name in stated):
                OmegaConf.update(config, key, value)
        with open_dict(config):
            OmegaConf.select(config, place).pop("fast")


def _fast_blocks(node: object, place: str) -> Iterator[tuple[str, object]]:
    """Each ``fast`` block at or under a node, with the dotted key of the mapping that holds it."""
    if isinstance(node, Mapping):
        if "fast" in node:
            yield place, node["fast"]
        for name, inner in node.items():
            yield from _fast_blocks(inner, f"{place}.{name}")


def _leaves(node: object, place: str) -> Iterator[tuple[str, object]]:
    """The values under a node, by dotted key."""
    if isinstance(node, Mapping):
        for name, inner in node.items():
            yield from _leaves(inner, f"{place}.{name}")
    else:
        yield place, node


def identity(config: DictConfig, fingerprint: str) -> dict[str, object]:
    """The part of a configuration that decides a run's results, with the hash of its input.

    Classes count by their names, not by the modules they lie in.
    """
    resolved = OmegaConf.to_container(config, resolve=True)
    assert isinstance(resolved, dict)
    relevant: dict[str, object] = {
        str(key): value for key, value in resolved.items() if key not in _NOT_IDENTITY
    }
    return {**without_paths(relevant), "input": fingerprint}


def run_id(identity: dict[str, object]) -> str:
    """Short hash of what decides a run's results."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
