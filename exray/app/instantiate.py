"""Components from nodes of the composed configuration."""

from collections.abc import Callable
from typing import TypeVar, cast

from omegaconf import DictConfig, OmegaConf

from exray.presets.instantiate import component

Part = TypeVar("Part")


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
    except Exception as error:  # a constructor may raise anything; each is a configuration error
        raise ValueError(str(error)) from error
    assert isinstance(kind, type)
    if not isinstance(part, kind):
        raise ValueError(
            f"expected a {kind.__name__}, and _target_={node.get('_target_')} makes a "
            f"{type(part).__name__}"
        )
    return cast(Part, part)
