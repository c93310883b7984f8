"""Builds what a configuration describes, each value held to its constructor's annotation.

Hydra's own ``instantiate`` passes values through unchecked: text where a number belongs, lists
where tuples belong.
"""

import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from pkgutil import resolve_name
from typing import Literal, Union, get_args, get_origin, get_type_hints

_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    type(None): "null",
}


def component(values: Mapping[str, object], key: str) -> object:
    """The object that ``_target_`` names, made of the other values, inner objects first.

    Args:
        values: The constructor's path under ``_target_``, and its keyword arguments.
        key: Where the values lie in the configuration, for messages.

    Raises:
        ValueError: If a value is of another type than the constructor takes, or a key is unknown or
            missing; names it.

    Example:
        >>> component({"_target_": "fractions.Fraction", "numerator": 2}, "share")
        Fraction(2, 1)
    """
    target = _constructor(str(values["_target_"]), key)
    return _constructed(target, {k: v for k, v in values.items() if k != "_target_"}, key)


def _constructed(target: Callable[..., object], values: Mapping[str, object], key: str) -> object:
    """What a constructor makes of these values, once they are of the annotated types."""
    _check_names(target, list(values), key)
    annotations = get_type_hints(target.__init__ if isinstance(target, type) else target)  # type: ignore[misc]
    arguments = {
        name: _value(value, annotations.get(name, object), f"{key}.{name}".lstrip("."))
        for name, value in values.items()
    }
    with keyed_errors(key, values):
        return target(**arguments)


@contextmanager
def keyed_errors(key: str, parameters: Iterable[str]) -> Iterator[None]:
    """Puts the configuration's key before a parameter that an error's message begins with.

    Constructors name their parameters, whoever calls them; who typed a configuration knows keys.

    Args:
        key: Where the parameters lie in the configuration.
        parameters: Their names.

    Example:
        >>> try:
        ...     with keyed_errors("dataset", ["size"]):
        ...         raise ValueError("size must be >= 1; got 0")
        ... except ValueError as error:
        ...     print(error)
        dataset.size must be >= 1; got 0
    """
    try:
        yield
    except ValueError as error:
        first = re.match(r"\w*", str(error))
        if not key or first is None or first[0] not in parameters:
            raise
        raise ValueError(f"{key}.{error}") from error


def _constructor(path: str, key: str) -> Callable[..., object]:
    """What a dotted path names."""
    try:
        target: object = resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{key}._target_={path} cannot be imported: {error}") from error
    if not callable(target):
        raise ValueError(f"{key}._target_={path} names no class or function")
    return target


def _check_names(target: Callable[..., object], names: Sequence[str], key: str) -> None:
    """Refuses keys that the constructor does not take, and asks for those that it needs."""
    parameters = inspect.signature(target).parameters
    for name in names:
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise ValueError(f"{key} has no key {name!r}; it has: {known}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in names:
            raise ValueError(f"{key}.{name} must be given".lstrip("."))


def _value(value: object, annotation: object, key: str) -> object:
    """One argument: an inner object, several of them, or a plain value of the annotated type.

    A mapping without ``_target_`` becomes the dataclass that the annotation names.
    """
    if isinstance(value, Mapping) and "_target_" in value:
        return component(value, key)
    settings = _dataclass_in(annotation)
    if isinstance(value, Mapping) and settings is not None:
        return _constructed(settings, {str(k): item for k, item in value.items()}, key)
    if isinstance(value, Mapping) and get_origin(annotation) is Mapping:
        inner = get_args(annotation)[1]
        return {name: _value(item, inner, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        inner = _item_type(annotation)
        return [_value(item, inner, f"{key}.{place}") for place, item in enumerate(value)]
    if not _fits(value, annotation):
        raise ValueError(f"{key} must be {_described(annotation)}; got {value!r}")
    return _converted(value, annotation)


def _dataclass_in(annotation: object) -> type | None:
    """The dataclass that an annotation asks for, by itself or beside None."""
    if get_origin(annotation) in (Union, types.UnionType):
        classes = [_dataclass_in(option) for option in get_args(annotation)]
        return next((option for option in classes if option is not None), None)
    is_concrete = isinstance(annotation, type) and not inspect.isabstract(annotation)
    return annotation if is_concrete and is_dataclass(annotation) else None  # type: ignore[return-value]


def _item_type(annotation: object) -> object:
    """What an annotated list or tuple holds; object where nothing says so."""
    return get_args(annotation)[0] if get_origin(annotation) in (tuple, list, Sequence) else object


def _converted(value: object, annotation: object) -> object:
    """A value that fits, with tuples for lists and floats for whole numbers where annotated."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _converted(value, next(option for option in inner if _fits(value, option)))
    if isinstance(value, list) and origin is tuple:
        return tuple(_converted(item, inner[0]) for item in value)
    return float(value) if annotation is float and isinstance(value, int) else value


def _fits(value: object, annotation: object) -> bool:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is tuple and inner[-1] is not Ellipsis and isinstance(value, list):
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if origin in (tuple, Sequence):
        return isinstance(value, list) and all(_fits(item, inner[0]) for item in value)
    if origin is Literal:
        return value in inner
    if annotation not in _NAMES:
        return annotation is object or not isinstance(value, tuple(_NAMES))
    if isinstance(value, bool):
        return annotation is bool
    assert isinstance(annotation, type), annotation
    return isinstance(value, (int, float) if annotation is float else annotation)


def _described(annotation: object) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(_described(option) for option in inner)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"a list of {len(inner)}, each {_described(inner[0])}"
    if origin in (tuple, Sequence):
        return f"a list, each item {_described(inner[0])}"
    return (
        _NAMES.get(annotation, annotation.__name__)
        if isinstance(annotation, type)
        else str(annotation)
    )
