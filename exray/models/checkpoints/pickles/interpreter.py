"""A pickle followed step by step without doing what it says: which names, calls and storages."""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import no_type_check

from exray.models.checkpoints.pickles.values import (
    BrokenPickleError,
    Call,
    GlobalName,
    StorageRef,
    is_flat,
)
from exray.text import shown

MAX_OPERATIONS = 200_000  # the largest of TrojAI's networks, a whole densenet201, has 117,000
MAX_BYTES = 2**26  # of a pickle's program, which has no weights in it

_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXTS = ("STRING", "UNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINUNICODE")
_BYTES = ("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8")
_LITERALS = frozenset((*_NUMBERS, *_TEXTS, *_BYTES))


@dataclass(frozen=True, kw_only=True)
class PickleProgram:
    """What a pickle would do.

    Args:
        value: What it ends with; objects are :class:`Call`, storages :class:`StorageRef`.
        names: Functions and classes that it names, in order, each once.
        calls: Its calls, in order.
        stored: What it wants from outside, in order.
        end: Where it ends, in bytes.
    """

    value: object
    names: tuple[str, ...]
    calls: tuple[Call, ...]
    stored: tuple[StorageRef, ...]
    end: int


def follow(data: bytes, start: int = 0) -> PickleProgram:
    r"""What a pickle would do; nothing of it is done.

    Args:
        data: Bytes with a pickle in them; what follows it is left alone.
        start: Where it begins.

    Raises:
        BrokenPickleError: If it is truncated, damaged, or made to exhaust memory or time.

    Example:
        >>> program = follow(b"cos\nsystem\n(S'ls'\ntR.")
        >>> program.names, program.calls[0].arguments
        (('os.system',), ('ls',))
    """
    machine = _Machine()
    stream = BytesIO(data)
    stream.seek(start)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MAX_OPERATIONS:
                raise BrokenPickleError(f"takes more than {MAX_OPERATIONS} steps")
            machine.step(opcode.name, argument)
        (value,) = machine.stack
    except (ValueError, IndexError, TypeError, KeyError, OverflowError) as error:
        ours = isinstance(error, BrokenPickleError)
        raise BrokenPickleError(
            str(error) if ours else _brief(error), tuple(machine.names)
        ) from None
    return PickleProgram(
        value=value,
        names=tuple(machine.names),
        calls=tuple(machine.calls),
        stored=tuple(machine.stored),
        end=stream.tell(),
    )


def _brief(error: Exception) -> str:
    return shown(" ".join(str(error).split())) or type(error).__name__


class _Machine:
    """The stack and the memo of an unpickler, with stand-ins for all objects."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.names: dict[str, None] = {}
        self.calls: list[Call] = []
        self.stored: list[StorageRef] = []

    @no_type_check  # checked at each of 100,000 steps, tests would take seconds a file
    def step(self, opcode: str, argument: object) -> None:
        """Takes one step of the program."""
        if opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode])
        elif opcode in _STEPS:
            _STEPS[opcode](self)
        elif opcode in _STEPS_WITH:
            _STEPS_WITH[opcode](self, argument)
        elif opcode not in ("PROTO", "FRAME", "STOP"):
            raise BrokenPickleError(f"uses the pickle instruction {opcode}, which torch never does")

    def since_mark(self) -> list[object]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def pop_mark(self) -> None:
        self.since_mark()

    def pop(self) -> None:
        self.stack.pop()

    def duplicate(self) -> None:
        self.stack.append(self.stack[-1])

    def memorise(self, index: object) -> None:
        assert isinstance(index, int), index
        if not 0 <= index <= MAX_OPERATIONS:
            raise BrokenPickleError(f"asks for memory for {index} objects")
        self.memo[index] = self.stack[-1]

    def memorise_next(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def recall(self, index: object) -> None:
        assert isinstance(index, int), index
        self.stack.append(self.memo[index])

    def name(self, pair: object) -> None:
        module, _, name = str(pair).partition(" ")
        module = "builtins" if module == "__builtin__" else module
        self._named(f"{module}.{name}")

    def name_from_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        both = isinstance(name, str) and isinstance(module, str)
        self._named(f"{module}.{name}" if both else "a name that it computes")

    def extension(self, code: object) -> None:
        self._named(f"copyreg.extension_{code}")

    def _named(self, path: str) -> None:
        self.names[path] = None
        self.stack.append(GlobalName(path))

    def call(self) -> None:
        arguments, callee = self.stack.pop(), self.stack.pop()
        self._make(Call(callee, arguments, is_new=False))

    def new(self) -> None:
        arguments, callee = self.stack.pop(), self.stack.pop()
        self._make(Call(callee, arguments, is_new=True))

    def new_with_keywords(self) -> None:
        keywords, arguments = self.stack.pop(), self.stack.pop()
        self._make(Call(self.stack.pop(), (arguments, keywords), is_new=True))

    def instance(self, pair: object) -> None:
        arguments = tuple(self.since_mark())
        self.name(pair)
        self._make(Call(self.stack.pop(), arguments, is_new=False))

    def object_of(self) -> None:
        callee, *arguments = self.since_mark()
        self._make(Call(callee, tuple(arguments), is_new=False))

    def _make(self, call: Call) -> None:
        self.calls.append(call)
        self.stack.append(call)

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, Call):
            raise BrokenPickleError(f"changes a {_kind(target)} in place")
        target.state.append(state)

    def persistent_text(self, key: object) -> None:
        self._store(key)

    def persistent(self) -> None:
        self._store(self.stack.pop())

    def _store(self, key: object) -> None:
        if isinstance(key, tuple) and key[:1] == ("module",) and isinstance(key[1], GlobalName):
            self.stack.append(key[1])  # the older form wraps a network's classes so
            return
        stored = StorageRef(key)
        self.stored.append(stored)
        self.stack.append(stored)

    @no_type_check  # as above
    def tuple_of(self, count: int) -> None:
        items = self.stack[-count:]
        if len(items) < count:
            raise IndexError("too few items on the stack")
        self.stack[-count:] = [tuple(items)]

    def append(self) -> None:
        item = self.stack.pop()
        self._extend([item])

    def extend(self) -> None:
        self._extend(self.since_mark())

    def _extend(self, items: list[object]) -> None:
        target = self.stack[-1]
        if isinstance(target, set):
            target.update(map(_key, items))
        elif isinstance(target, list):
            target.extend(items)
        elif isinstance(target, Call):  # an instance of some kind of list
            target.appended.extend(items)
        else:
            raise BrokenPickleError(f"appends to a {_kind(target)}")

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def set_items(self) -> None:
        self._set_items(self.since_mark())

    def _set_items(self, items: list[object]) -> None:
        target = self.stack[-1]
        if isinstance(target, Call):  # an OrderedDict, or what claims to be one
            target.items.update(_pairs(items))
        elif isinstance(target, dict):
            target.update(_pairs(items))
        else:
            raise BrokenPickleError(f"sets items of a {_kind(target)}")

    def frozen_set(self) -> None:
        self.stack.append(frozenset(map(_key, self.since_mark())))


def _pairs(items: list[object]) -> dict[object, object]:
    return {_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}


def _key(key: object) -> object:
    """A key whose hash takes no time: nested tuples can take for ever, or all of the stack."""
    if not is_flat(key):
        raise BrokenPickleError(f"has a {_kind(key)} where only text or a number can be a key")
    return key


def _kind(value: object) -> str:
    return {"GlobalName": "function or class", "Call": "new object"}.get(
        type(value).__name__, type(value).__name__
    )


_CONSTANTS: Mapping[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_STEPS: Mapping[str, Callable[[_Machine], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    "MEMOIZE": _Machine.memorise_next,
    "STACK_GLOBAL": _Machine.name_from_stack,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.new,
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "OBJ": _Machine.object_of,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "ADDITEMS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "FROZENSET": _Machine.frozen_set,
    "EMPTY_TUPLE": lambda machine: machine.stack.append(()),
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "EMPTY_DICT": lambda machine: machine.stack.append({}),
    "EMPTY_SET": lambda machine: machine.stack.append(set()),
    "TUPLE": lambda machine: _gather(machine, tuple),
    "LIST": lambda machine: _gather(machine, list),
    "DICT": lambda machine: _gather(machine, _pairs),
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
}
_STEPS_WITH: Mapping[str, Callable[[_Machine, object], None]] = {
    "PUT": _Machine.memorise,
    "BINPUT": _Machine.memorise,
    "LONG_BINPUT": _Machine.memorise,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": _Machine.name,
    "INST": _Machine.instance,
    "EXT1": _Machine.extension,
    "EXT2": _Machine.extension,
    "EXT4": _Machine.extension,
    "PERSID": _Machine.persistent_text,
}


def _gather(machine: _Machine, kind: Callable[[list[object]], object]) -> None:
    items = machine.since_mark()
    machine.stack.append(kind(items))
