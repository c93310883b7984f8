"""How folders that are named by numbers are counted, where not by their index."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from exray.images.class_names import NO_NAMES
from exray.images.decoded import DecodedImages, LabelledSamples
from exray.images.samples import SampleSet

ClassOrder = Literal["index", "string", "one_based", "one_based_string", "background_first"]
CLASS_ORDERS: tuple[ClassOrder, ...] = (
    "index", "string", "one_based", "one_based_string", "background_first",
)  # fmt: skip


def classes_of_numbers(order: ClassOrder, num_classes: int) -> Int[Tensor, " m"]:
    """The class that each number from 0 stands for; -1 where it stands for none.

    ``index`` is the number itself. ``string`` is its place among all numbers sorted as text, as
    torchvision's ``ImageFolder`` sorts folders (0, 1, 10, 11, 2). ``one_based`` counts from 1, and
    ``one_based_string`` sorts these as text. ``background_first`` is a network whose class 0 is the
    background, which no folder holds.

    Args:
        order: Which of them.
        num_classes: Of the network.

    Returns:
        A class for each number up to ``num_classes``, that included.

    Example:
        >>> classes_of_numbers("string", 11).tolist()
        [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 2, -1]
        >>> classes_of_numbers("one_based", 3).tolist()
        [-1, 0, 1, 2]
        >>> classes_of_numbers("background_first", 3).tolist()
        [1, 2, -1, -1]
    """
    first = 1 if order.startswith("one_based") else 0
    numbers = list(range(first, num_classes + first))
    if order.endswith("string"):
        numbers.sort(key=str)
    classes = torch.full((num_classes + 1,), -1)
    classes[torch.tensor(numbers)] = torch.arange(num_classes)
    if order == "background_first":
        classes = torch.where((classes >= 0) & (classes < num_classes - 1), classes + 1, -1)
    return classes


def reordered(samples: SampleSet, order: ClassOrder, num_classes: int) -> SampleSet:
    """Samples whose labels are numbers of folders, under a network's classes.

    Args:
        samples: Labelled by the folders' numbers.
        order: How these are counted.
        num_classes: Of the network.

    Raises:
        ValueError: If a number stands for no class under that order.

    Example:
        >>> samples = SampleSet(images=torch.rand(2, 3, 4, 4), labels=torch.tensor([1, 2]),
        ...     class_names=("class 0", "class 1", "class 2"))
        >>> reordered(samples, "one_based", 2).labels.tolist()
        [0, 1]
    """
    classes = classes_of_numbers(order, num_classes)
    if len(samples) and int(samples.labels.max()) > num_classes:
        wrong = int(samples.labels.max())
        raise ValueError(_no_class(wrong, order, num_classes))
    labels = classes[samples.labels]
    if (labels < 0).any():
        raise ValueError(_no_class(int(samples.labels[labels < 0][0]), order, num_classes))
    names = [f"class {index}" for index in range(num_classes)]
    for number, name in enumerate(samples.class_names[: num_classes + 1]):
        if classes[number] >= 0 and name != f"class {number}":
            names[int(classes[number])] = name
    return SampleSet(images=samples.images, labels=labels, class_names=tuple(names))


def _no_class(number: int, order: ClassOrder, num_classes: int) -> str:
    return (
        f"class_order={order} has no class for the folder of number {number}: the network has "
        f"{num_classes} classes; leave class_order at index if folders count from 0"
    )


def labelled_in_order(
    decoded: DecodedImages,
    order: ClassOrder,
    num_classes: int,
    *,
    class_indices: Mapping[str, int] = NO_NAMES,
) -> LabelledSamples:
    """Images under a classifier's classes, in the order in which their folders are counted.

    Args:
        decoded: The images.
        order: How folders that are named by numbers are counted.
        num_classes: Of the classifier.
        class_indices: The index of each class by the classifier's own names.

    Raises:
        ValueError: If the images' classes are not the classifier's.
    """
    if order == "index":
        return decoded.labelled(num_classes, class_indices=class_indices)
    loaded = decoded.labelled(num_classes + 1)
    samples = reordered(loaded.samples, order, num_classes)
    said = (text for text in loaded.warnings if "without images" not in text)
    return LabelledSamples(samples=samples, warnings=tuple(said))
