"""Every kind of trigger comes back from a file as it was, and changes images as before."""

from dataclasses import fields

import pytest
import torch
from safetensors.torch import load, save

from exray.storage.plain_json import from_json, to_json
from exray.triggers.base import Trigger
from exray.triggers.filter import FilterTrigger
from exray.triggers.instagram import InstagramFilter, InstagramTrigger
from exray.triggers.paired import PairedTrigger
from exray.triggers.patch import PatchTrigger
from exray.triggers.recolouring import RecolourTrigger
from exray.triggers.serialization import KINDS, packed, unpacked

IMAGES = torch.linspace(0, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)


def examples():
    pattern = torch.rand(3, 1, 1).expand(3, 8, 8)  # one colour, shared memory
    kernel = torch.zeros(12, 3)
    kernel[:3] = 0.8 * torch.eye(3)
    return [
        PatchTrigger(mask=torch.rand(8, 8), pattern=pattern),
        FilterTrigger(kernel=kernel, window=3, image_size=(8, 8)),
        InstagramTrigger(name=InstagramFilter.LOMO, image_size=(8, 8)),
        PairedTrigger(clean=IMAGES, stamped=1 - IMAGES),
        RecolourTrigger(
            inner_weight=torch.rand(16, 3),
            inner_bias=torch.rand(16),
            outer_weight=torch.rand(3, 16),
            outer_bias=torch.rand(3),
            image_size=(8, 8),
        ),
    ]


def through_a_file(trigger):
    values, tensors = packed(trigger)
    return unpacked(
        from_json(to_json(values).decode()), load(save(tensors)), device=torch.device("cpu")
    )


def test_there_is_an_example_of_every_kind():
    assert {type(each) for each in examples()} == set(KINDS)


@pytest.mark.parametrize("index", range(len(KINDS)), ids=lambda index: KINDS[index].__name__)
def test_a_trigger_comes_back_the_same(index):
    trigger = examples()[index]
    back = through_a_file(trigger)
    assert type(back) is type(trigger)
    for field in fields(trigger):
        before, after = getattr(trigger, field.name), getattr(back, field.name)
        assert type(before) is type(after)
        assert torch.equal(before, after) if torch.is_tensor(before) else before == after
    assert torch.equal(back.apply(IMAGES), trigger.apply(IMAGES))


class Unknown(Trigger):
    def apply(self, images):
        return images

    @property
    def size_pixels(self):
        return 0.0


def test_a_kind_that_cannot_be_stored_is_named():
    with pytest.raises(
        ValueError, match=r"a Unknown cannot be stored; .*KINDS holds: PatchTrigger"
    ):
        packed(Unknown())
    with pytest.raises(ValueError, match=r"trigger kind must be one of PatchTrigger, .*; got 'x'"):
        unpacked({"kind": "x"}, {}, device=torch.device("cpu"))
