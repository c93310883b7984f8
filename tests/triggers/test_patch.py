"""What triggers do to images."""

import pytest
import torch

from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import PatchTrigger

IMAGE = torch.tensor([0.2, 0.4, 0.6])[None, :, None, None].expand(1, 3, 2, 2).clone()


def inverted(**changes):
    trigger = PatchTrigger(mask=torch.zeros(2, 2), pattern=torch.zeros(3, 2, 2))
    values = {"victim_class": 0, "target_class": 1, "asr": 1.0, "target_probability": 1.0}
    return InvertedTrigger(**{"trigger": trigger, "source": "by hand", **values, **changes})


def test_a_patch_blends_its_pattern_in_by_the_mask():
    mask = torch.tensor([[1.0, 0.5], [0.0, 0.0]])
    pattern = torch.tensor([1.0, 0.0, 0.5])[:, None, None].expand(3, 2, 2).clone()
    stamped = PatchTrigger(mask=mask, pattern=pattern).apply(IMAGE)[0]
    torch.testing.assert_close(stamped[:, 0, 0], torch.tensor([1.0, 0.0, 0.5]))
    torch.testing.assert_close(stamped[:, 0, 1], torch.tensor([0.6, 0.2, 0.55]))
    torch.testing.assert_close(stamped[:, 1], IMAGE[0, :, 1])


def test_stamping_leaves_the_images_it_was_given_alone():
    before = IMAGE.clone()
    PatchTrigger(mask=torch.ones(2, 2), pattern=torch.ones(3, 2, 2)).apply(IMAGE)
    assert torch.equal(IMAGE, before)


def test_only_visible_pixels_count_towards_the_size():
    mask = torch.tensor([[0.1, 0.11], [1.0, 0.0]])
    assert PatchTrigger(mask=mask, pattern=torch.zeros(3, 2, 2)).size_pixels == 2


@pytest.mark.parametrize("value", [-0.5, 1.5, float("nan")])
@pytest.mark.parametrize("name", ["mask", "pattern"])
def test_a_patch_outside_zero_and_one_is_refused(name, value):
    values = {"mask": torch.zeros(2, 2), "pattern": torch.zeros(3, 2, 2)}
    values[name][..., 0, 0] = value
    with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\]; got values from"):
        PatchTrigger(**values)


def test_a_trigger_within_one_class_is_refused():
    with pytest.raises(ValueError, match="victim_class and target_class must differ; both are 1"):
        inverted(victim_class=1)


@pytest.mark.parametrize("asr", [-0.1, 1.1, 90.0])
def test_an_asr_that_is_no_fraction_is_refused(asr):
    with pytest.raises(ValueError, match=rf"asr must be a fraction in \[0, 1\]; got {asr}"):
        inverted(asr=asr)


def test_a_patch_is_drawn_on_gray():
    mask = torch.zeros(8, 6)
    mask[0, 0] = 1
    trigger = PatchTrigger(mask=mask, pattern=torch.ones(3, 8, 6))
    drawn = trigger.portrait(torch.rand(1, 3, 8, 6))
    assert (drawn[:, 0, 0] == 1).all()
    assert (drawn.flatten(1)[:, 1:] == 0.5).all()
