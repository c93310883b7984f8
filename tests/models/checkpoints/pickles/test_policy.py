"""What a checkpoint's pickle may call, and with what."""

import pytest

from exray.models.checkpoints.pickles.interpreter import PickleProgram
from exray.models.checkpoints.pickles.names import is_plain
from exray.models.checkpoints.pickles.policy import (
    check_program,
    storage_kind,
    storage_of,
    tensor_bytes,
    tensor_layout,
)
from exray.models.checkpoints.pickles.values import (
    BrokenPickleError,
    Call,
    GlobalName,
    StorageRef,
)

LAYER = "torch.nn.modules.linear.Linear"


def storage(count=6, *, kind="Float", key="0"):
    return StorageRef(("storage", GlobalName(f"torch.{kind}Storage"), key, "cpu", count))


def tensor(stored, size, stride, offset=0):
    hooks = Call(GlobalName("collections.OrderedDict"), (), is_new=False)
    arguments = (stored, offset, size, stride, False, hooks)
    return Call(GlobalName("torch._utils._rebuild_tensor_v2"), arguments, is_new=False)


def check(*calls, stored=(), lengths=None):
    program = PickleProgram(value=None, names=(), calls=calls, stored=stored, end=0)
    return check_program(program, storage_bytes=lambda key, _: (lengths or {}).get(key))


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("torch.FloatStorage", True), ("torch.Size", True), ("torch.float16", True),
        ("collections.OrderedDict", True), ("_codecs.encode", True),
        ("torch.load", False), ("torch.SizeX", False), ("builtins.eval", False),
        ("xtorch.Size", False), ("torch.hub.load", False),
    ],
)  # fmt: skip
def test_plain_names_are_those_of_weights(path, plain):
    assert is_plain(path) is plain


@pytest.mark.parametrize(("kind", "width"), [("Float", 4), ("Double", 8), ("Half", 2), ("Bool", 1)])
def test_a_storage_is_as_long_as_its_numbers_are_wide(kind, width):
    assert storage_of(storage(6, kind=kind)) == ("0", 6 * width)
    assert storage_kind(storage(kind=kind)) == kind


def test_a_tensor_may_fill_its_storage_and_not_one_number_more():
    stored = storage(6)
    assert tensor_bytes(tensor(stored, (2, 3), (3, 1))) == 24
    assert tensor_bytes(tensor(stored, (3, 2), (1, 3))) == 24  # transposed
    assert tensor_bytes(tensor(stored, (5,), (1,), offset=1)) == 20
    assert tensor_bytes(tensor(stored, (0, 9), (9, 1))) == 0
    assert tensor_bytes(tensor(storage(6, kind="Half"), (6,), (1,))) == 24  # becomes float32
    for size, stride, offset in (((7,), (1,), 0), ((2, 3), (4, 1), 0), ((6,), (1,), 1)):
        with pytest.raises(BrokenPickleError, match="that its storage does not hold"):
            tensor_bytes(tensor(stored, size, stride, offset))


def test_sides_below_zero_and_strides_of_another_length_are_refused():
    for size, stride, offset in (((-1,), (1,), 0), ((2,), (1, 1), 0), ((2,), (1,), -1)):
        with pytest.raises(BrokenPickleError, match=r"in a way that torch\.save never"):
            tensor_layout(tensor(storage(), size, stride, offset))


def test_storages_must_be_there_and_as_long_as_claimed():
    assert check(stored=(storage(6), storage(6)), lengths={"0": 24}) == 24  # one, asked for twice
    with pytest.raises(BrokenPickleError, match="asks for storage 0, which is not in the file"):
        check(stored=(storage(6),))
    with pytest.raises(BrokenPickleError, match="claims 24 bytes for storage 0, which has 20"):
        check(stored=(storage(6),), lengths={"0": 20})
    with pytest.raises(BrokenPickleError, match=r"a storage torch\.StrangeStorage of 6"):
        check(stored=(storage(6, kind="Strange"),), lengths={"0": 6})


def test_a_layer_is_made_empty_and_filled_and_its_constructor_never_called():
    layer, state = GlobalName(LAYER), {"in_features": 3}
    check(Call(layer, (), is_new=True, state=[state]))
    for call in (
        Call(layer, (10**9, 10**9), is_new=True),
        Call(layer, (), is_new=False),
        Call(layer, (), is_new=True, state=[state, state]),
        Call(layer, (), is_new=True, state=[{"__class__": 1}]),
        Call(layer, (), is_new=True, items={"a": 1}),
    ):
        with pytest.raises(BrokenPickleError, match=f"calls {LAYER} in a way that torch.save"):
            check(call)


def test_views_that_claim_far_more_than_is_stored_are_refused():
    views = [tensor(storage(6), (1024, 1024, 32), (0, 0, 0)) for _ in range(2)]
    with pytest.raises(BrokenPickleError, match="claims tensors of 268435456 bytes over 24 stored"):
        check(*views, stored=(storage(6),), lengths={"0": 24})


@pytest.mark.parametrize("path", ["os.system", "torch.serialization._get_layout", "a result"])
def test_other_calls_are_refused(path):
    callee = StorageRef("0") if path == "a result" else GlobalName(path)
    with pytest.raises(BrokenPickleError, match=f"calls {path} in a way that torch.save never"):
        check(Call(callee, ([],), is_new=False))
