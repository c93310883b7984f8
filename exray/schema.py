"""Plain values of a stranger's file checked against a type, with errors that name the field."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import TypeVar

import msgspec
from msgspec import inspect

from exray.text import shown

T = TypeVar("T")
_PLACE = re.compile(r"(?P<problem>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_STEPS = re.compile(r"\.(\w+)|\[(\d+)\]")


def converted(values: object, kind: type[T]) -> T:
    """The values as a type has them: a dataclass, a msgspec structure, a tuple, a name.

    A type ``Annotated[..., msgspec.Meta(description="a class index, 0 or more")]`` words its own
    errors: ``victim_class must be a class index, 0 or more; got -1``.

    Args:
        values: As JSON gives them: objects are mappings, and lists stand for tuples.
        kind: What they are to become.

    Raises:
        ValueError: If they do not fit, or hold a field that the type does not have; names the
            field, what it takes and what was received.

    Example:
        >>> class Classes(msgspec.Struct):
        ...     target_class: int
        >>> converted({"target_class": "3"}, Classes)
        Traceback (most recent call last):
        ValueError: target_class: expected `int`; got '3'
    """
    try:
        result = msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ValueError(_worded(str(error), values, kind)) from error
    _check_known(values, inspect.type_info(kind), "")
    return result


def constructed(values: Mapping[str, object], kind: type[T], *, ready: Mapping[str, object]) -> T:
    """A dataclass of which some fields are ready and the others are plain values.

    Args:
        values: The plain ones, by field, as JSON gives them.
        kind: The dataclass.
        ready: Fields that JSON cannot hold.

    Raises:
        ValueError: As `converted`.
    """
    form = msgspec.defstruct(
        kind.__name__,
        [
            (spec.name, spec.type, *(() if spec.default is MISSING else (spec.default,)))
            for spec in fields(kind)  # type: ignore[arg-type]  # a dataclass
            if spec.name not in ready
        ],
        kw_only=True,
    )
    constructor: Callable[..., T] = kind
    return constructor(**ready, **msgspec.structs.asdict(converted(values, form)))


@contextmanager
def at(place: str) -> Iterator[None]:
    """Has every ValueError within begin with a place.

    Args:
        place: Where the values lie that are read within, such as ``models[3]``.
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def by_kind(parent: type[T], package: str) -> dict[str, type[T]]:
    """Every subclass that itself states its ``kind``, by that kind.

    Classes of the package are imported here; one of elsewhere counts once its module is imported.

    Args:
        parent: Their common class.
        package: Where they are, by dotted name.

    Raises:
        TypeError: If two classes state the same kind.
    """
    folder = importlib.import_module(package)
    for module in pkgutil.iter_modules(folder.__path__, f"{package}."):
        importlib.import_module(module.name)
    kinds: dict[str, type[T]] = {}
    classes = parent.__subclasses__()
    for child in classes:
        classes += child.__subclasses__()
        kind = vars(child).get("kind")
        if kind in kinds:
            raise TypeError(f"{kinds[kind]} and {child} are both of kind {kind!r}")
        if kind is not None:
            kinds[kind] = child
    return kinds


def _check_known(values: object, node: inspect.Type | None, place: str) -> None:
    """Refuses fields that a type does not have, which msgspec passes over in dataclasses."""
    if isinstance(values, Mapping) and (known := _fields(node)):
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ValueError(_unknown(str(unknown[0]), place.removeprefix("."), node))
        for name, value in values.items():
            _check_known(value, known[name], f"{place}.{name}")
    elif isinstance(values, list | tuple):
        for index, value in enumerate(values):
            _check_known(value, _inner(node, "", str(index)), f"{place}[{index}]")


def _unknown(name: str, place: str, node: inspect.Type | None) -> str:
    prefix = f"{place}: " if place else ""
    return f"{prefix}there is no {shown(name)!r}; there are: {', '.join(_fields(node))}"


def _worded(message: str, values: object, kind: type) -> str:
    """What msgspec says, with the field's own words and the value instead of its type."""
    match = _PLACE.fullmatch(message)
    assert match is not None, message
    problem, path = match["problem"], match["path"] or ""
    node, place = _node(kind, path), path.removeprefix(".")
    if problem.startswith("Object "):
        return _about_object(problem, place, node)
    if node is not None and (description := _description(node)):
        return f"{place} must be {description}; got {_received(values, path)}"
    if problem.startswith("Expected "):
        expected = problem.split(", got ")[0].removeprefix("Expected ")
        problem = f"expected {expected}; got {_received(values, path)}"
    return f"{place}: {problem}" if place else problem


def _about_object(problem: str, place: str, node: inspect.Type | None) -> str:
    """A field too many or too few."""
    name = problem.split("`")[1]
    prefix = f"{place}: " if place else ""
    return f"{prefix}{name} is missing" if "missing" in problem else _unknown(name, place, node)


def _received(values: object, path: str) -> str:
    """The value at a path, as Python writes it, shortened."""
    for name, index in _STEPS.findall(path):
        if name and isinstance(values, dict) and name in values:
            values = values[name]
        elif index and isinstance(values, list | tuple) and int(index) < len(values):
            values = values[int(index)]
        else:
            break
    return shown(repr(values))


def _node(kind: type, path: str) -> inspect.Type | None:
    """The type at a path; None where the path leads through a mapping."""
    node: inspect.Type | None = inspect.type_info(kind)
    for name, index in _STEPS.findall(path):
        node = _inner(node, name, index)
    return node


def _inner(node: inspect.Type | None, name: str, index: str) -> inspect.Type | None:
    """The type of a field or an item."""
    if name:
        return _fields(node).get(name)
    bare = node.type if isinstance(node, inspect.Metadata) else node
    if isinstance(bare, inspect.UnionType):
        return next((_inner(option, name, index) for option in bare.types if _is_row(option)), None)
    if isinstance(bare, inspect.ListType | inspect.VarTupleType):
        return bare.item_type
    return bare.item_types[int(index)] if isinstance(bare, inspect.TupleType) else None


def _is_row(node: inspect.Type) -> bool:
    return isinstance(node, inspect.ListType | inspect.VarTupleType | inspect.TupleType)


def _fields(node: inspect.Type | None) -> dict[str, inspect.Type]:
    """The types of an object's fields; empty for other types."""
    bare = node.type if isinstance(node, inspect.Metadata) else node
    if isinstance(bare, inspect.UnionType):
        return {name: inner for part in bare.types for name, inner in _fields(part).items()}
    if isinstance(bare, inspect.StructType | inspect.DataclassType):
        return {field.encode_name: field.type for field in bare.fields}
    return {}


def _description(node: inspect.Type) -> str:
    """What a type says of itself, or the names it takes; empty for neither."""
    if isinstance(node, inspect.Metadata):
        return str((node.extra_json_schema or {}).get("description", "")) or _description(node.type)
    if isinstance(node, inspect.EnumType):
        return f"one of {', '.join(member.value for member in node.cls)}"
    if isinstance(node, inspect.LiteralType):
        options = ", ".join(map(str, node.values))
        return options if len(node.values) == 1 else f"one of {options}"
    if isinstance(node, inspect.UnionType):
        return next(filter(None, map(_description, node.types)), "")
    return ""
