"""Pickles followed without doing what they say."""

import os
import pickle
from collections import OrderedDict

import pytest

from exray.models.checkpoints.pickles.interpreter import MAX_OPERATIONS, follow
from exray.models.checkpoints.pickles.values import BrokenPickleError, Call, GlobalName

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_those_of_pickle_itself(protocol):
    shared = [1, -2, 2**70, 0.25]
    value = {"a": shared, "b": (shared, None, True, "text"), ("k", 1): {"empty": {}}}
    program = follow(pickle.dumps(value, protocol))
    assert program.value == value
    assert program.value["a"] is program.value["b"][0]
    assert (program.names, program.calls, program.stored) == ((), (), ())


class Runs:
    """Would run a command."""

    def __reduce__(self):
        return os.system, ("touch canary",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_call_is_noted_and_not_made(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = follow(pickle.dumps([Runs()], protocol))
    (call,) = program.calls
    assert program.names == ("posix.system",)
    assert (call.callee, call.arguments) == (GlobalName("posix.system"), ("touch canary",))
    assert program.value == [call]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_items_are_put_into_the_stand_in_of_a_dictionary(protocol):
    program = follow(pickle.dumps(OrderedDict(a=1, b=2), protocol))
    assert isinstance(program.value, Call)
    assert program.value.items == {"a": 1, "b": 2}
    assert program.names == ("collections.OrderedDict",)


def test_it_begins_and_ends_where_the_pickle_does():
    first, second = pickle.dumps([1]), pickle.dumps([2])
    data = first + second + b"storages"
    assert follow(data).end == len(first)
    assert follow(data, len(first)).value == [2]
    assert follow(data, len(first)).end == len(first + second)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x80\x02]", "pickle exhausted before seeing STOP"),
        (b"\x80\x02.", "not enough values to unpack"),
        (b"(lcos\nsystem\na(lb.", "changes a list in place"),
        (b"I1\nI2\na.", "appends to a int"),
        (b"]I1\nI2\ns.", "sets items of a list"),
        (b"}]I2\ns.", "has a list where only text or a number can be a key"),
        (b"I1\nr\xff\xff\xff\x7f.", "asks for memory for 2147483647 objects"),
        (b"I1\n" + b"20" * MAX_OPERATIONS + b".", f"takes more than {MAX_OPERATIONS} steps"),
    ],
)
def test_a_pickle_that_no_program_writes_is_refused(data, problem):
    with pytest.raises(BrokenPickleError, match=problem):
        follow(data)


def test_the_error_of_a_broken_pickle_has_the_names_before_the_break():
    with pytest.raises(BrokenPickleError) as caught:
        follow(b"cos\nsystem\n(S'ls'\n")
    assert caught.value.names == ("os.system",)
