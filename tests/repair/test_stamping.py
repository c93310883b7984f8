"""Triggers are stamped on a share of the images, never on those of their own target."""

from dataclasses import replace

import pytest
import torch

from exray.repair.stamping import TriggerStamper


@pytest.fixture
def images():
    return torch.rand(200, 3, 16, 16) / 2, torch.arange(200) % 3


def changed(stamper, images, labels):
    return (stamper.stamped(images, labels) != images).flatten(1).any(dim=1)


def test_a_share_of_the_images_is_stamped_with_one_trigger_each(images, white_patch, green_tint):
    pixels, labels = images
    stamper = TriggerStamper([white_patch, green_tint], share=0.5, seed=0)
    stamped = stamper.stamped(pixels, labels)
    kinds = [
        (stamped == trigger.apply(pixels)).flatten(1).all(dim=1)
        for trigger in (white_patch, green_tint)
    ]
    clean = (stamped == pixels).flatten(1).all(dim=1)
    assert (kinds[0].int() + kinds[1].int() + clean.int() == 1).all()
    assert clean[labels == 1].all()  # both triggers' target
    assert 0.4 < float((~clean)[labels != 1].double().mean()) < 0.6


def test_every_image_is_stamped_at_a_share_of_one_and_none_at_zero(images, white_patch):
    pixels, labels = images
    every = TriggerStamper([white_patch], share=1.0, seed=0)
    assert torch.equal(changed(every, pixels, labels), labels != 1)
    for stamper in (
        TriggerStamper([white_patch], share=0.0, seed=0),
        TriggerStamper([], share=1.0, seed=0),
    ):
        assert not changed(stamper, pixels, labels).any()


def test_the_images_that_are_given_stay_as_they_are(images, white_patch):
    pixels, labels = images
    before = pixels.clone()
    TriggerStamper([replace(white_patch, target_class=2)], share=1.0, seed=0).stamped(
        pixels, labels
    )
    assert torch.equal(pixels, before)
