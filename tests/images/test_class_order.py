"""How folders that are named by numbers are counted."""

import pytest
import torch

from exray.images.class_order import CLASS_ORDERS, classes_of_numbers, reordered
from exray.images.samples import SampleSet, default_class_names


@pytest.mark.parametrize("order", CLASS_ORDERS)
def test_each_class_stands_behind_one_number_at_most(order):
    for num_classes in (2, 5, 12, 101):
        classes = classes_of_numbers(order, num_classes)
        known = classes[classes >= 0]
        assert len(classes) == num_classes + 1
        assert len(known.unique()) == len(known)
        assert len(known) == num_classes - (order == "background_first")


@pytest.mark.parametrize(
    ("order", "first"), [("string", 0), ("one_based_string", 1), ("one_based", 1)]
)
def test_the_classes_are_those_of_sorted_folders(order, first):
    names = [str(number) for number in range(first, 23 + first)]
    folders = sorted(names) if "string" in order else names
    classes = classes_of_numbers(order, 23)
    assert [int(classes[int(name)]) for name in folders] == list(range(23))


def samples_of_numbers(*numbers, count):
    labels = torch.tensor(numbers)
    images = torch.rand(len(labels), 3, 2, 2)
    return SampleSet(images=images, labels=labels, class_names=default_class_names(count))


def test_names_go_with_their_classes_and_numbers_do_not():
    samples = samples_of_numbers(1, 2, count=3)
    named = SampleSet(images=samples.images, labels=samples.labels,
                      class_names=("class 0", "cat", "class 2"))  # fmt: skip
    again = reordered(named, "one_based", 2)
    assert again.labels.tolist() == [0, 1]
    assert again.class_names == ("cat", "class 1")


@pytest.mark.parametrize("numbers", [(0, 1), (1, 4)])
def test_a_number_without_a_class_is_refused_with_the_way_out(numbers):
    with pytest.raises(ValueError, match=r"one_based has no class for the folder of number [04]: "):
        reordered(samples_of_numbers(*numbers, count=5), "one_based", 3)
