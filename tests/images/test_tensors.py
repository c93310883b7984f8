"""Clean images in memory, in every form that a notebook has them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from exray.images.samples import SampleSet
from exray.images.tensors import samples_of

IMAGES = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 0, 1, 2, 2, 2])


class Photographs(Dataset):
    """As torchvision's datasets: Pillow's images, whole numbers, names of classes."""

    classes = ("cat", "dog", "owl")

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index >= 3:
            raise IndexError(index)
        return Image.new("L" if index else "RGB", (4, 4), "white"), index


class Stream(IterableDataset):
    def __iter__(self):
        return zip(IMAGES, LABELS.tolist(), strict=True)


@pytest.mark.parametrize(
    "data",
    [
        (IMAGES, LABELS),
        (IMAGES, LABELS.tolist()),
        (IMAGES.numpy(), LABELS.numpy()),
        DataLoader(TensorDataset(IMAGES, LABELS), batch_size=4),
        TensorDataset(IMAGES, LABELS),
        Stream(),
        SampleSet(images=IMAGES, labels=LABELS, class_names=("class 0", "class 1", "class 2")),
    ],
)
def test_every_form_gives_the_same_samples(data):
    samples = samples_of(data)
    assert torch.equal(samples.images, IMAGES)
    assert torch.equal(samples.labels, LABELS)
    assert samples.class_names == ("class 0", "class 1", "class 2")
    assert samples_of(data, limit_per_class=1).counts() == [1, 1, 1]


def test_a_torchvision_dataset_names_its_classes_and_holds_images_of_pillow():
    samples = samples_of(Photographs())
    assert samples.class_names == ("cat", "dog", "owl")
    assert torch.equal(samples.images, torch.ones(3, 3, 4, 4))
    assert samples_of(DataLoader(Tensors(), batch_size=2)).class_names == ("a", "b")


class Tensors(TensorDataset):
    classes = ("a", "b")

    def __init__(self):
        super().__init__(IMAGES, LABELS.clamp(max=1))


def test_bytes_become_floats():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    assert samples_of((images, [0])).images.flatten().tolist() == pytest.approx([0, 0.2, 1])


def test_names_and_counts_may_be_given():
    assert samples_of((IMAGES, LABELS), num_classes=5).num_classes == 5
    assert samples_of((IMAGES, LABELS), class_names=["a", "b", "c"]).class_names[2] == "c"


@pytest.mark.parametrize(
    ("data", "values", "message"),
    [
        ((IMAGES * 2 - 1, LABELS), {}, r"images must lie in \[0, 1\]; got .*before normalisation"),
        ((IMAGES[0, 0], [0]), {}, r"images must have shape \(n, channels, height, width\)"),
        ((IMAGES.long(), LABELS), {}, "images must be uint8, or floats in"),
        ((IMAGES, LABELS[:4]), {}, "must be as many; got 6 images and 4 labels"),
        ((IMAGES, LABELS.float()), {}, r"labels must be whole numbers; got torch.float32"),
        ((IMAGES, LABELS - 1), {}, "labels must not be negative; got -1"),
        ((IMAGES, LABELS), {"num_classes": 2}, r"labels must lie in \[0, 2\); got 2"),
        ((IMAGES, LABELS), {"class_names": ["a"], "num_classes": 3}, "got 1 names for 3 classes"),
        ((IMAGES[:0], LABELS[:0]), {}, "data must hold at least one image; it holds none"),
        ((IMAGES, LABELS), {"limit_per_class": 0}, "limit_per_class must be at least 1"),
        ([(IMAGES[0], 0)], {}, "data must be a SampleSet, a pair .* got a list"),
        (TensorDataset(IMAGES), {}, "data must hold pairs of image and label; got a tuple"),
        ((["a.png"], [0]), {}, "images must be tensors or Pillow's; got a list"),
    ],
)
def test_what_is_no_sample_set_is_refused(data, values, message):
    with pytest.raises((TypeError, ValueError), match=message):
        samples_of(data, **values)


def test_images_of_two_sizes_are_refused():
    class Two(Photographs):
        def __getitem__(self, index):
            return np.zeros((3, 4 + index % 2, 4), dtype=np.uint8), index

    with pytest.raises(ValueError, match=r"of one size; got \(3, 4, 4\) and \(3, 5, 4\)"):
        samples_of(Two())
