"""A trigger known by pairs alone: gives the pairs back, and refuses what it does not hold."""

import pytest
import torch

from exray.triggers.paired import PairedTrigger


@pytest.fixture
def trigger():
    clean = torch.rand(4, 3, 8, 8)
    stamped = clean.clone()
    stamped[:, :, :2, :3] = 1 - stamped[:, :, :2, :3].round()
    return PairedTrigger(clean=clean, stamped=stamped)


def test_images_come_back_stamped_in_any_order(trigger):
    order = torch.tensor([2, 0, 3, 0])
    assert torch.equal(trigger.apply(trigger.clean[order]), trigger.stamped[order])


def test_images_that_went_through_bytes_are_still_known(trigger):
    rounded = (trigger.clean * 255).round() / 255
    assert torch.equal(trigger.apply(rounded), trigger.stamped)
    assert trigger.places(rounded + 2 / 255).tolist() == [-1, -1, -1, -1]


def test_an_unknown_image_is_refused_rather_than_guessed(trigger):
    images = torch.cat([trigger.clean[:1], torch.rand(2, 3, 8, 8)])
    with pytest.raises(ValueError, match=r"2 of 3 images are not among the trigger's 4 pairs.*"):
        trigger.apply(images)
    assert trigger.places(torch.rand(1, 3, 9, 9)).tolist() == [-1]


def test_its_size_is_what_changes(trigger):
    assert trigger.size_pixels == 6


def test_pairs_that_do_not_fit_are_refused():
    images = torch.rand(2, 3, 8, 8)
    with pytest.raises(ValueError, match="clean and stamped must hold as many images of one size"):
        PairedTrigger(clean=images, stamped=images[:1])
    with pytest.raises(ValueError, match=r"stamped must lie in \[0, 1\]; got values from .* to 2"):
        PairedTrigger(clean=images, stamped=torch.full_like(images, 2.0))


def test_it_has_no_picture_of_its_own(trigger):
    assert trigger.portrait(trigger.clean[:1]) is None
    assert trigger.input_size == (8, 8)
