"""Components by the names of their files in ``conf``, for use without a command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, ListConfig, OmegaConf

from exray.presets.conf import conf_folder, option_names
from exray.presets.instantiate import component

_ENGINE = "engine"  # where an option keeps the component, if it holds more than that


def component_named(
    group: str, name: str, *, seed: int = 0, layer: str = "middle", **changes: object
) -> object:
    """The component that ``conf/GROUP/NAME.yaml`` describes.

    Args:
        group: A folder of ``conf``, such as ``judge``.
        name: One of its files, without the ending.
        seed: Of every random choice, where the file says ``${seed}``.
        layer: Where the network is cut, where the file says ``${layer.name}``: a module's path or
            a rule, as in ``conf/layer``.
        **changes: Other values than the file's; two underscores stand for the dot of a nested
            key, as in ``mask__epochs=100``.

    Raises:
        ValueError: If there is no such option or key, a value is of another type than the
            constructor takes, or one that the file leaves open is missing.

    Example:
        >>> component_named("judge", "l2", layer="layer3").layer
        'layer3'
    """
    values = option_values(group, name, seed=seed, layer=layer, **changes)
    described = values.get(_ENGINE, values)
    if not isinstance(described, Mapping) or "_target_" not in described:
        raise ValueError(f"{group}={name} describes values, not a component")
    return component(described, name)


def option_of(group: str, part: object) -> str:
    """The first option of a group whose file itself names a component's class.

    Args:
        group: A folder of ``conf``, such as ``scanner``.
        part: The component.

    Returns:
        Its name; the class's own for a class that no option names.

    Example:
        >>> option_of("judge", component_named("judge", "l2")), option_of("judge", 3)
        ('l2', 'int')
    """
    kind = type(part)
    for name in option_names(group):
        option = OmegaConf.load(conf_folder() / group / f"{name}.yaml")
        places = (f"{_ENGINE}._target_", "_target_")
        targets = [OmegaConf.select(option, place) for place in places]
        if f"{kind.__module__}.{kind.__name__}" in targets:
            return name
    return kind.__name__


def option_values(
    group: str, name: str, *, seed: int = 0, layer: str = "middle", **changes: object
) -> dict[str, object]:
    """The values of ``conf/GROUP/NAME.yaml``, its Defaults List and interpolations resolved.

    Args:
        group: As for :func:`component_named`, and so are the other arguments.
        name: The option.
        seed: For ``${seed}``.
        layer: For ``${layer.name}``.
        **changes: Other values than the file's.

    Raises:
        ValueError: If there is no such option or key, or a value is missing.

    Example:
        >>> values = option_values("judge", "exray", mask__epochs=7, seed=3)
        >>> values["engine"]["mask"]["epochs"], values["engine"]["mask"]["seed"]
        (7, 3)
    """
    known = option_names(group)
    if name not in known:
        options = ", ".join(known) or "none"
        raise ValueError(f"{group} has no option {name!r}; it has: {options}")
    content = {group: _composed(group, name), "seed": seed, "layer": {"name": layer}}
    option = cast(DictConfig, OmegaConf.create(content, flags={"allow_objects": True})[group])
    for key, value in changes.items():
        _change(option, key.replace("__", "."), value, f"{group}={name}")
    if missing := _missing(OmegaConf.to_container(option), ""):
        raise ValueError(f"{group}={name} leaves open what must be given: {', '.join(missing)}")
    return cast("dict[str, object]", OmegaConf.to_container(option, resolve=True))


def _change(option: DictConfig, key: str, value: object, place: str) -> None:
    """Sets a key of the option, or else of its component, that exists."""
    parent, _, last = key.rpartition(".")
    known: list[str] = []
    for holder in (option, option.get(_ENGINE)):
        node = OmegaConf.select(holder, parent) if holder is not None and parent else holder
        if not isinstance(node, DictConfig):
            continue
        names = [str(name) for name in node if name != "_target_"]
        if last in names:
            node[last] = _plain(value)
            return
        known = names
    raise ValueError(f"{place} has no key {key!r}; it has: {', '.join(known) or 'none'}")


def _plain(value: object) -> object:
    """A value as YAML would hold it: a list for a tuple, text for a path."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _missing(values: object, key: str) -> list[str]:
    """Dotted keys of what a file marks with ``???``."""
    if isinstance(values, Mapping):
        nested = [_missing(inner, f"{key}.{name}".lstrip(".")) for name, inner in values.items()]
        return [name for names in nested for name in names]
    return [key] if values == "???" else []


def _composed(group: str, name: str) -> DictConfig:
    """A file's content on top of what its Defaults List names; overrides of other groups aside."""
    content = cast(DictConfig, OmegaConf.load(conf_folder() / group / f"{name}.yaml"))
    entries = content.pop("defaults", ListConfig([]))
    merged: DictConfig = OmegaConf.create({})
    for entry in entries:
        base = _default(group, entry)
        merged = cast(DictConfig, OmegaConf.merge(merged, base))
    return cast(DictConfig, OmegaConf.merge(merged, content))


def _default(group: str, entry: str | DictConfig) -> DictConfig:
    """What an entry of a Defaults List adds: ``NAME``, ``NAME@PLACE`` or ``/GROUP@PLACE: NAME``."""
    if isinstance(entry, str):
        name, _, place = entry.partition("@")
        source = group
    else:
        ((choice, name),) = entry.items()
        chosen, _, place = str(choice).partition("@")
        source = chosen.removeprefix("/")
    if source.startswith("override ") or name == "_self_":
        return OmegaConf.create({})
    return _nested(place, _composed(source, str(name)))


def _nested(place: str, content: DictConfig) -> DictConfig:
    """The content below a dotted key; empty for none."""
    for key in reversed(place.split(".") if place else []):
        content = OmegaConf.create({key: content})
    return content
