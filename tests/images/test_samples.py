"""Clean images by class."""

import pytest
import torch

from exray.images.samples import SampleSet


def samples(labels=(2, 0, 2, 0, 2), values=None):
    images = torch.arange(len(labels)).float()[:, None, None, None].expand(-1, 3, 2, 2) / 10
    return SampleSet(
        images=images if values is None else values,
        labels=torch.tensor(labels, dtype=torch.int64),
        class_names=("a", "b", "c"),
    )


def test_images_of_a_class_keep_their_order():
    assert samples().of_class(2)[:, 0, 0, 0].tolist() == pytest.approx([0.0, 0.2, 0.4])
    assert len(samples().of_class(1)) == 0
    assert samples().counts() == [2, 0, 3]


def test_a_limit_keeps_the_first_of_each_class():
    limited = samples().limited(1)
    assert limited.labels.tolist() == [2, 0]
    assert samples().limited(9).labels.tolist() == [2, 0, 2, 0, 2]


def test_a_selection_keeps_all_classes():
    chosen = samples().select(torch.tensor([True, False, False, False, True]))
    assert (len(chosen), chosen.num_classes, chosen.counts()) == (2, 3, [0, 0, 2])


def test_a_device_changes_no_value():
    moved = samples().to(torch.device("cpu"))
    assert torch.equal(moved.images, samples().images)


def test_numbers_of_images_and_labels_must_agree():
    broken = samples()
    object.__setattr__(broken, "images", torch.zeros(4, 3, 2, 2))  # beartype would refuse it first
    with pytest.raises(ValueError, match="got 4 images and 5 labels"):
        broken.__post_init__()


@pytest.mark.parametrize("value", [-0.1, 1.1, 255.0])
def test_images_outside_the_unit_interval_are_refused(value):
    values = torch.full((5, 3, 2, 2), 0.5)
    values[3, 1, 0, 0] = value
    with pytest.raises(ValueError, match=r"images must lie in \[0, 1\]; got values from"):
        samples(values=values)


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_outside_the_classes_are_refused(label):
    with pytest.raises(ValueError, match=rf"labels must lie in \[0, 3\); got {label}"):
        samples(labels=(0, label, 1, 1, 1))


def test_a_class_without_images_is_refused_where_one_is_needed():
    samples = SampleSet(
        images=torch.zeros(1, 3, 2, 2), labels=torch.tensor([0]), class_names=("a", "b")
    )
    assert samples.require_class(0).shape == (1, 3, 2, 2)
    with pytest.raises(ValueError, match="class 1 has no image that the classifier gets right; a"):
        samples.require_class(1)
