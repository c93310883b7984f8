"""The configuration's root: which keys there are, and how components are built from them."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from exray.presets.class_paths import without_paths

# What may differ between two runs without making them different runs.
_NOT_IDENTITY = (
    "paths",
    "logger",
    "name",
    "task",
    "shard",
    "limit",
    "kinds",
    "trainer",
    "experiment",
    "rejudge",
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
    table: Any = None
    name: str | None = None
    seed: int = 0
    shard: str = "0/1"
    limit: int | None = None
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
)


def register() -> None:
    """Makes the root's schema known to Hydra."""
    ConfigStore.instance().store(name="root_schema", node=RootConfig)


def identity(config: DictConfig, fingerprint: str) -> dict[str, object]:
    """The part of a configuration that decides a run's results, with the hash of its input.

    Classes count by their names, not by the modules they lie in.
    """
    resolved = OmegaConf.to_container(config, resolve=True)
    assert isinstance(resolved, dict)
    kept: dict[str, object] = {
        str(key): value for key, value in resolved.items() if key not in _NOT_IDENTITY
    }
    return {**without_paths(kept), "input": fingerprint}


def run_id(identity: dict[str, object]) -> str:
    """Short hash of what decides a run's results."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
