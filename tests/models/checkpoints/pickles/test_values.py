"""Stand-ins for what a pickle would make."""

import pytest

from exray.models.checkpoints.pickles.values import (
    BrokenPickleError,
    Call,
    GlobalName,
    StorageRef,
    is_flat,
)


@pytest.mark.parametrize(
    ("value", "flat"),
    [
        (None, True), ("text", True), (b"bytes", True), (1, True), (0.5, True), (True, True),
        ((), True), (("a", 1, None), True), (tuple(range(16)), True), (tuple(range(17)), False),
        (((1,),), False), ([1], False), ({}, False), (1j, False), (GlobalName("os.system"), False),
    ],
)  # fmt: skip
def test_flat_values_are_short_and_hold_no_others(value, flat):
    assert is_flat(value) is flat


def test_calls_and_storages_are_told_apart_by_identity_and_names_by_their_path():
    """A pickle may make two equal objects; comparing deep ones could take for ever."""
    one, other = (Call(GlobalName("a.b"), (), is_new=True) for _ in range(2))
    assert one != other
    assert one.callee == other.callee
    one.state.append({"x": 1})
    assert other.state == []
    assert StorageRef("0") != StorageRef("0")


def test_an_error_remembers_the_names_up_to_it():
    error = BrokenPickleError("ends early", ("os.system",))
    assert (str(error), error.names) == ("ends early", ("os.system",))
    assert BrokenPickleError("ends early").names == ()
