"""What all sources of images share: samples of every class, and bytes as floats."""

import torch

from exray.images.sources.base import to_unit
from exray.images.sources.signs.classes import sign_classes
from exray.images.sources.signs.generator import SignGenerator


def generator(size=32):
    return SignGenerator(sign_classes(4, family_size=2, seed=0), image_size=size)


def test_samples_hold_all_classes_in_order():
    signs = generator()
    samples = signs.samples(per_class=3, seed=2)
    assert samples.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert samples.class_names == tuple(sign.name for sign in signs.classes)
    assert torch.equal(samples.of_class(2), to_unit(signs.images(2, count=3, seed=2)))


def test_bytes_become_the_unit_interval():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    torch.testing.assert_close(to_unit(images).flatten(), torch.tensor([0.0, 0.2, 1.0]))
