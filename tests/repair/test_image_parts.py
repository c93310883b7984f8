"""The two parts of a repair's images share none, and hold every class."""

import pytest
import torch

from exray.images.samples import SampleSet, default_class_names
from exray.repair.image_parts import split_images


def samples(*labels):
    return SampleSet(
        images=torch.rand(len(labels), 3, 4, 4),
        labels=torch.tensor(labels),
        class_names=default_class_names(3),
    )


def test_every_class_is_in_both_parts_and_the_seed_decides_which_images():
    clean = samples(*([0] * 10 + [1] * 4 + [2] * 5))
    parts = split_images(clean, held_out_share=0.4, min_per_class=2, seed=0)
    assert (parts.learned.counts(), parts.held_out.counts()) == ([6, 2, 3], [4, 2, 2])
    again, other = (
        split_images(clean, held_out_share=0.4, min_per_class=2, seed=seed) for seed in (0, 1)
    )
    assert torch.equal(parts.held_out.images, again.held_out.images)
    assert not torch.equal(parts.held_out.images, other.held_out.images)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_no_part_is_empty(share):
    parts = split_images(samples(0, 0, 1, 1, 2, 2), held_out_share=share, min_per_class=2, seed=0)
    assert parts.learned.counts() == parts.held_out.counts() == [1, 1, 1]


def test_too_few_images_are_refused_and_repeats_do_not_count():
    clean = samples(0, 0, 0, 1, 1, 1, 2, 2, 2)
    clean.images[1] = clean.images[0]
    said = r"needs 3 different images of every class, .* got class 0: 2; give more images"
    with pytest.raises(ValueError, match=said):
        split_images(clean, held_out_share=0.5, min_per_class=3, seed=0)
    with pytest.raises(ValueError, match="got class 2: 0;"):
        split_images(samples(0, 0, 1, 1), held_out_share=0.5, min_per_class=2, seed=0)
