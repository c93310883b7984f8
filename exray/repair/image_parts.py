"""The clean images of a repair in two parts: one to learn from, one to measure on."""

from dataclasses import dataclass

import torch

from exray.images.samples import SampleSet
from exray.seeding import generator


@dataclass(frozen=True, kw_only=True, eq=False)
class RepairImages:
    """Clean images in two parts without an image in common.

    Args:
        learned: What the weights are changed on.
        held_out: What accuracy is measured and scans are made on.
    """

    learned: SampleSet
    held_out: SampleSet


def split_images(
    samples: SampleSet, *, held_out_share: float, min_per_class: int, seed: int
) -> RepairImages:
    """The images of every class in two parts at random.

    Of equal images one is used, so that none is both learned and measured on.

    Args:
        samples: All clean images.
        held_out_share: Of each class's images, in (0, 1), rounded to at least one.
        min_per_class: Images that every class must have, at least 2.
        seed: Of the parts.

    Raises:
        ValueError: If a class has fewer images.

    Example:
        >>> from exray.images.samples import default_class_names
        >>> labels = torch.tensor([0, 1] * 5)
        >>> samples = SampleSet(images=torch.rand(10, 3, 2, 2), labels=labels,
        ...                     class_names=default_class_names(2))
        >>> parts = split_images(samples, held_out_share=0.4, min_per_class=5, seed=0)
        >>> parts.learned.counts(), parts.held_out.counts()
        ([3, 3], [2, 2])
    """
    distinct = _without_repeats(samples)
    few = [index for index, count in enumerate(distinct.counts()) if count < min_per_class]
    if few:
        counts = ", ".join(f"class {index}: {distinct.counts()[index]}" for index in few[:3])
        more = f" and {len(few) - 3} more" if len(few) > 3 else ""
        raise ValueError(
            f"a repair needs {min_per_class} different images of every class, of which part is "
            f"held out to measure accuracy; got {counts}{more}; give more images"
        )
    stream = generator(seed, "held out")
    held_out = torch.zeros(len(distinct), dtype=torch.bool)
    for class_index in range(distinct.num_classes):
        rows = (distinct.labels == class_index).nonzero().flatten().cpu()
        order = rows[torch.randperm(len(rows), generator=stream)]
        number = min(max(1, round(held_out_share * len(rows))), len(rows) - 1)
        held_out[order[:number]] = True
    held_out = held_out.to(distinct.labels.device)
    return RepairImages(learned=distinct.select(~held_out), held_out=distinct.select(held_out))


def _without_repeats(samples: SampleSet) -> SampleSet:
    """The images, each once."""
    seen: set[bytes] = set()
    keep = torch.zeros(len(samples), dtype=torch.bool)
    for row, image in enumerate(samples.images):
        content = image.detach().cpu().numpy().tobytes()
        keep[row] = content not in seen
        seen.add(content)
    return samples.select(keep.to(samples.labels.device))
