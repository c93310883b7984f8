"""A new kind of trigger is one class: it is stored, read from files and drawn without more."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from exray.triggers.base import Trigger
from exray.triggers.external_file import read_triggers
from exray.triggers.patch import PatchTrigger
from exray.triggers.serialization import from_storage, is_storable, to_storage

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Shift(Trigger):
    """A colour added to every pixel."""

    kind: ClassVar[str] = "shift"

    colour: Float[Tensor, " 3"]
    times: int

    def apply(self, images):
        return (images + self.times * self.colour[:, None, None]).clamp(0, 1)

    @property
    def size_pixels(self):
        return 1.0


def test_a_kind_of_one_class_is_stored_and_read_back():
    trigger = Shift(colour=torch.tensor([0.1, 0.2, 0.3]), times=2)
    values, tensors = to_storage(trigger)
    assert values == {"kind": "shift", "times": 2}
    back = from_storage(values, tensors, device=CPU)
    assert isinstance(back, Shift)
    assert torch.equal(back.colour, trigger.colour)


def test_a_kind_of_one_class_is_read_from_another_tools_file(tmp_path):
    path = tmp_path / "found.npz"
    entry = {"name": "s", "kind": "shift", "victim_class": 0, "target_class": 1, "times": 3}
    np.savez(path, triggers=json.dumps({"triggers": [entry]}), **{"s/colour": np.full(3, 0.1)})
    (read,) = read_triggers(path)
    assert torch.allclose(read.trigger.apply(torch.zeros(1, 3, 2, 2)), torch.tensor(0.3))


def test_a_trigger_has_no_portrait_and_no_size_of_input_unless_it_says_so():
    trigger = Shift(colour=torch.zeros(3), times=1)
    assert trigger.portrait(torch.zeros(1, 3, 2, 2)) is None
    assert trigger.input_size is None


def test_a_class_without_a_kind_of_its_own_cannot_be_stored():
    assert is_storable(Shift)

    class Nameless(Shift):
        pass

    assert not is_storable(Nameless)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({}, {"times": 1}, r"the array 'colour' is missing"),
        ({"colour": torch.ones(4)}, {"times": 1}, r"colour must be of shape \(3\); got \(4,\)"),
        ({"colour": torch.ones(3), "x": torch.ones(3)}, {"times": 1}, r"shift has no array 'x'"),
        ({"colour": torch.ones(3)}, {}, r"times is missing"),
        ({"colour": torch.ones(3)}, {"times": "1"}, r"times: expected `int`; got '1'"),
        ({"colour": torch.ones(3)}, {"times": 1, "x": 1}, r"there is no 'x'; there are: times"),
    ],
)
def test_what_does_not_fit_is_named(arrays, options, message):
    with pytest.raises(ValueError, match=message):
        Shift.from_arrays(arrays, options)


def test_a_patch_has_the_size_of_its_mask():
    patch = PatchTrigger(mask=torch.zeros(4, 6), pattern=torch.ones(3, 4, 6))
    assert patch.input_size == (4, 6)
