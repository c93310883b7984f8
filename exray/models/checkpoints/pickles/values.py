"""What a pickle speaks of, with stand-ins for everything that it would make."""

from dataclasses import dataclass, field


class BrokenPickleError(ValueError):
    """A pickle that no program writes.

    Args:
        problem: What is wrong with it, as a clause.
        names: The functions and classes named up to there.
    """

    def __init__(self, problem: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.names = names


@dataclass(frozen=True)
class GlobalName:
    """A function or class that the pickle names; it is never looked up.

    Args:
        path: Module and name, with a dot between.
    """

    path: str


@dataclass(eq=False)
class Call:
    """What a call would have returned.

    Args:
        callee: What is called.
        arguments: What it is called with.
        is_new: Whether ``callee.__new__`` is called rather than the callee.
        state: What its attributes are set from afterwards, in order.
        items: What is put into it under keys, as into a dictionary.
        appended: What is appended to it, as to a list.
    """

    callee: object
    arguments: object
    is_new: bool
    state: list[object] = field(default_factory=list)
    items: dict[object, object] = field(default_factory=dict)
    appended: list[object] = field(default_factory=list)


@dataclass(eq=False)
class StorageRef:
    """Something kept outside the pickle, such as a tensor's numbers.

    Args:
        key: How the pickle calls it.
    """

    key: object


def is_flat(value: object) -> bool:
    """Whether something is text, a number or None, or a short tuple of these."""
    if isinstance(value, tuple):
        return len(value) <= 16 and all(_is_scalar(item) for item in value)
    return _is_scalar(value)


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | bytes | int | float)
