"""The configuration's root: which keys there are, and how components are built from them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from exray.app.class_paths import without_paths
from exray.app.components import component

Part = TypeVar("Part")

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


@dataclass(frozen=True, kw_only=True)
class ScanSettings:
    """What the scan task itself decides.

    Args:
        min_clean_accuracy: Below it the verdict is inconclusive: the preprocessing is probably
            wrong, and triggers mean nothing.
        min_class_accuracy: Classes below it are neither victim nor target.
        samples_per_class: Images of each class that are used; None for all.
        misclassified: Whether images that the classifier gets wrong are dropped or kept.
        probability_without_triggers: Probability of being trojaned where the scanner finds
            nothing: scanners miss.

    Raises:
        ValueError: If a share lies outside [0, 1], or a count is not positive.
    """

    min_clean_accuracy: float
    min_class_accuracy: float
    samples_per_class: int | None
    misclassified: Literal["drop", "keep"]
    probability_without_triggers: float

    def __post_init__(self) -> None:
        for name in ("min_clean_accuracy", "min_class_accuracy", "probability_without_triggers"):
            value = getattr(self, name)
            if isinstance(value, str) or not 0 <= value <= 1:
                raise ValueError(f"scan.{name} must lie in [0, 1]; got {value!r}")
        if self.samples_per_class is not None and self.samples_per_class < 1:
            raise ValueError(f"scan.samples_per_class must be >= 1; got {self.samples_per_class}")


def register() -> None:
    """Makes the root's schema known to Hydra."""
    ConfigStore.instance().store(name="root_schema", node=RootConfig)


def built(node: object, kind: Callable[..., Part]) -> Part:
    """The object a configuration node describes by its ``_target_``.

    Args:
        node: A configuration node with ``_target_`` and the constructor's values.
        kind: The class it must be one of, abstract or not.

    Raises:
        ValueError: If a constructor refuses its values, or another kind of object results.
    """
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise ValueError(f"a {kind.__name__} is described by its _target_; got {node!r}")
    values = cast("dict[str, object]", OmegaConf.to_container(node, resolve=True))
    try:
        part = component(values, str(node._get_full_key(None)))
    except Exception as error:  # a constructor may raise anything; all of it is the user's to mend
        raise ValueError(str(error)) from error
    assert isinstance(kind, type)
    if not isinstance(part, kind):
        raise ValueError(
            f"expected a {kind.__name__}, and _target_={node.get('_target_')} makes a "
            f"{type(part).__name__}"
        )
    return cast(Part, part)


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


def require_limit(limit: int | None) -> None:
    """Refuses a number of models that is none.

    Raises:
        ValueError: If it is not positive.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be >= 1; got {limit}")


def parse_shard(text: str) -> tuple[int, int]:
    """Index and number of shards from ``0/4``.

    Raises:
        ValueError: If it does not read so, or the index is not below the number.

    Example:
        >>> parse_shard("1/4")
        (1, 4)
    """
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise ValueError(f"shard must read INDEX/COUNT with INDEX < COUNT; got {text!r}")
    return int(index), int(count)
