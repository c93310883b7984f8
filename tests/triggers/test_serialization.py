"""Every kind of trigger comes back from a file as it was, and changes images as before."""

from dataclasses import fields

import pytest
import torch
from safetensors.torch import load, save

from exray.storage.plain_json import from_json, to_json
from exray.triggers.additive import AdditiveTrigger
from exray.triggers.base import Trigger
from exray.triggers.filter import FilterTrigger
from exray.triggers.instagram import InstagramFilter, InstagramTrigger
from exray.triggers.paired import PairedTrigger
from exray.triggers.patch import PatchTrigger
from exray.triggers.recolouring import RecolourTrigger
from exray.triggers.serialization import from_storage, to_storage, trigger_kinds
from exray.triggers.warp import WarpTrigger

IMAGES = torch.linspace(0, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)


def examples():
    pattern = torch.rand(3, 1, 1).expand(3, 8, 8)  # one colour, shared memory
    kernel = torch.zeros(12, 3)
    kernel[:3] = 0.8 * torch.eye(3)
    return [
        PatchTrigger(mask=torch.rand(8, 8), pattern=pattern),
        FilterTrigger(kernel=kernel, window=3, image_size=(8, 8)),
        InstagramTrigger(filter_name=InstagramFilter.LOMO, image_size=(8, 8)),
        PairedTrigger(clean=IMAGES, stamped=1 - IMAGES),
        RecolourTrigger(
            inner_weight=torch.rand(16, 3),
            inner_bias=torch.rand(16),
            outer_weight=torch.rand(3, 16),
            outer_bias=torch.rand(3),
            image_size=(8, 8),
        ),
        AdditiveTrigger(signal=0.2 * torch.rand(3, 8, 8)),
        WarpTrigger(displacement=torch.rand(2, 8, 8)),
    ]


def through_a_file(trigger):
    values, tensors = to_storage(trigger)
    return from_storage(
        from_json(to_json(values).decode()), load(save(tensors)), device=torch.device("cpu")
    )


def test_there_is_an_example_of_every_kind():
    kinds = {kind for kind in trigger_kinds().values() if kind.__module__.startswith("exray.")}
    assert {type(trigger) for trigger in examples()} == kinds


@pytest.mark.parametrize("trigger", examples(), ids=lambda trigger: trigger.kind)
def test_a_trigger_comes_back_the_same(trigger):
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
        ValueError, match=r"a Unknown cannot be stored: its class states no kind; .*patch"
    ):
        to_storage(Unknown())
    with pytest.raises(ValueError, match=r"trigger kind must be one of .*patch.*; got 'x'"):
        from_storage({"kind": "x"}, {}, device=torch.device("cpu"))


def test_the_name_of_a_class_stands_for_its_kind_in_old_files():
    values, tensors = to_storage(examples()[0])
    back = from_storage({**values, "kind": "PatchTrigger"}, tensors, device=torch.device("cpu"))
    assert isinstance(back, PatchTrigger)


def test_two_classes_of_one_kind_are_refused(monkeypatch):
    monkeypatch.setattr(InstagramTrigger, "kind", "patch")
    with pytest.raises(TypeError, match=r"PatchTrigger.* and .*InstagramTrigger.* kind 'patch'"):
        trigger_kinds()
