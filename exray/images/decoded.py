"""Listed images decoded, and made a classifier's samples once its classes are known."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.class_names import NO_NAMES, ClassKey, order_classes
from exray.images.decoding import decode_image, is_rotated
from exray.images.interpolation import Interpolation
from exray.images.listing import ImageEntry, ImageListing
from exray.images.samples import SampleSet, classes_without_images, default_class_names
from exray.text import some

_MAX_LISTED = 10  # names in a message; the others are counted
_UNBALANCED = 4  # the largest class has so many times the images of the smallest: said
_Label = TypeVar("_Label", bound=ClassKey)
_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True)
class LabelledSamples:
    """A classifier's samples.

    Args:
        samples: The images that could be read.
        warnings: What the user should hear about: how classes were numbered, images left out,
            duplicates, classes without images.
    """

    samples: SampleSet
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DecodedImages:
    """Images with the classes that they say, before the classifier's own are known.

    Args:
        listing: Where they come from.
        images: RGB in [0, 1], of one size.
        keys: The class that each image says.
        remarks: What the user should know about the files, one sentence each.
    """

    listing: ImageListing
    images: Float[Tensor, "n 3 h w"]
    keys: tuple[ClassKey, ...]
    remarks: tuple[str, ...] = ()

    def labelled(
        self, num_classes: int | None, *, class_indices: Mapping[str, int] = NO_NAMES
    ) -> LabelledSamples:
        """The samples under a classifier's classes; nothing is decoded again.

        Args:
            num_classes: Number of classes; None takes that of the names, or the largest index
                there is, plus one.
            class_indices: The index of each class by the classifier's own names; empty where it
                has none.

        Raises:
            ValueError: If the images' classes are not the classifier's; see
                :func:`exray.images.class_names.order_classes`.
        """
        try:
            order = order_classes(
                self.listing.written,
                num_classes=num_classes,
                class_indices=class_indices,
                as_folders=self.listing.as_folders,
            )
        except ValueError as error:
            raise ValueError(f"{self.listing.place}: {error}") from None
        names = {**order.names, **self.listing.names}
        count = num_classes or 1 + max([*order.indices.values(), *names])
        labels, rows = torch.tensor([order.indices[key] for key in self.keys]).sort(stable=True)
        samples = SampleSet(
            images=self.images[rows], labels=labels, class_names=_class_names(names, count)
        )
        warnings = (
            *order.remarks,
            *self.remarks,
            *_thin_classes(samples),
            *self._names_beyond(count),
        )
        return LabelledSamples(samples=samples, warnings=warnings)

    def _names_beyond(self, count: int) -> Iterator[str]:
        beyond = [name for index, name in self.listing.names.items() if index >= count]
        if beyond:
            yield (
                f"{self.listing.names_from} names classes beyond the {count} of the classifier: "
                f"{some(beyond, _MAX_LISTED)}"
            )


def decode_listing(
    listing: ImageListing,
    *,
    size: int | None,
    crop: int | None,
    limit_per_class: int | None,
    exif_orientation: bool = False,
    interpolation: Interpolation = "bilinear",
) -> DecodedImages:
    """The listed images, decoded. An image that cannot be read is left out and reported.

    Of each class the first readable ones are read until there are enough, and no others.

    Args:
        listing: The images of each class.
        size: Side to resize to, in pixels; see :func:`exray.images.decoding.read_image`.
        crop: Side of the centre crop, in pixels.
        limit_per_class: At most so many images per class; None for all.
        exif_orientation: Whether images are turned as their EXIF orientation says.
        interpolation: Of the resizing.

    Raises:
        ValueError: If no image can be read, or images differ in size.
    """
    rotated: list[str] = []

    def read(entry: ImageEntry) -> Float[Tensor, "3 h w"]:
        stored = entry.read()
        image = decode_image(
            stored,
            name=entry.name,
            size=size,
            crop=crop,
            exif_orientation=exif_orientation,
            interpolation=interpolation,
        )
        if isinstance(stored, bytes) and is_rotated(stored):
            rotated.append(entry.name)
        return image

    files = [(key, entry) for key, entries in listing.entries.items() for entry in entries]
    keys, images, unreadable = read_labelled(
        files, read, limit_per_class=limit_per_class, name=lambda entry: entry.name
    )
    if not images:
        raise ValueError(
            f"no image in {listing.place} can be read; the first problem of {len(unreadable)}: "
            f"{unreadable[0]}"
        )
    remarks = [*listing.remarks, *(f"left out: {reason}" for reason in unreadable)]
    remarks += [*_turned(rotated, exif_orientation), *_repeated(keys, images, listing.written)]
    return DecodedImages(
        listing=listing, images=torch.stack(images), keys=tuple(keys), remarks=tuple(remarks)
    )


def check_limit(limit_per_class: int | None) -> None:
    """Refuse a limit that leaves no image.

    Args:
        limit_per_class: At most so many images per class, or None.

    Raises:
        ValueError: If it is below 1.
    """
    if limit_per_class is not None and limit_per_class < 1:
        raise ValueError(f"limit_per_class must be at least 1, or None; got {limit_per_class}")


def read_labelled(
    files: Sequence[tuple[_Label, _Item]],
    read: Callable[[_Item], Float[Tensor, "3 h w"]],
    *,
    limit_per_class: int | None,
    name: Callable[[_Item], str] = str,
) -> tuple[list[_Label], list[Float[Tensor, "3 h w"]], list[str]]:
    """Labels and images of the files that can be read, and why the others cannot.

    Args:
        files: Each with its label.
        read: Decodes one file; a ``ValueError`` says why it cannot.
        limit_per_class: At most so many images per class, the first readable ones; None for all.
        name: What messages call a file.

    Raises:
        ValueError: If images differ in size.
    """
    labels: list[_Label] = []
    images: list[Tensor] = []
    unreadable: list[str] = []
    counts: Counter[_Label] = Counter()
    first = ""
    for label, file in files:
        if limit_per_class is not None and counts[label] >= limit_per_class:
            continue
        try:
            image = read(file)
        except ValueError as error:
            unreadable.append(str(error))
            continue
        first = first or name(file)
        if images and image.shape != images[0].shape:
            raise ValueError(
                f"images must be of one size; {first} is {_size(images[0])} and {name(file)} is "
                f"{_size(image)}; set the size that the network takes: --size of exray scan, "
                "dataset.preprocess.size of run.py, size in Python"
            )
        images.append(image)
        labels.append(label)
        counts[label] += 1
    return labels, images, unreadable


def _size(image: Float[Tensor, "3 h w"]) -> str:
    return f"{image.shape[2]} x {image.shape[1]}"


def _class_names(names: Mapping[int, str], count: int) -> tuple[str, ...]:
    """The names that there are, and ``class i`` where there is none."""
    defaults = default_class_names(count)
    return tuple(names.get(index, default) for index, default in enumerate(defaults))


def _thin_classes(samples: SampleSet) -> Iterator[str]:
    """What to say of classes with no image or one, and of unequal numbers."""
    counts, total = samples.counts(), samples.num_classes
    empty = [str(index) for index in classes_without_images(counts)]
    single = [str(index) for index, count in enumerate(counts) if count == 1]
    few, many = min(count for count in counts if count), max(counts)
    if empty:
        yield f"{len(empty)} of {total} classes without images: {some(empty, _MAX_LISTED)}"
    if single:
        yield f"{len(single)} of {total} classes with one image only: {some(single, _MAX_LISTED)}"
    if many >= _UNBALANCED * few:
        smallest = [str(index) for index, count in enumerate(counts) if count == few]
        yield (
            f"the classes' images are unbalanced, from {few} to {many}; the fewest has class "
            f"{some(smallest, 3)}"
        )


def _turned(rotated: Sequence[str], applied: bool) -> Iterator[str]:
    """What to say of images whose EXIF orientation is not upright."""
    if not rotated:
        return
    what = f"{len(rotated)} image{'s' if len(rotated) > 1 else ''} with an EXIF orientation"
    if applied:
        yield f"{what} turned upright, which torchvision's ImageFolder does not do"
    else:
        yield (
            f"{what} taken as stored, as torchvision's ImageFolder does: {some(rotated)}; "
            "--exif-orientation (dataset.preprocess.exif_orientation=true) turns them upright"
        )


def _repeated(
    keys: Sequence[ClassKey],
    images: Sequence[Float[Tensor, "3 h w"]],
    written: Mapping[ClassKey, str],
) -> Iterator[str]:
    """What to say of images that are there twice, in one class or in several."""
    classes: dict[bytes, list[ClassKey]] = {}
    for key, image in zip(keys, images, strict=True):
        digest = hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()
        classes.setdefault(digest, []).append(key)
    twice = sum(len(found) - len(set(found)) for found in classes.values())
    between = [found for found in classes.values() if len(set(found)) > 1]
    if twice:
        yield f"{twice} of {len(images)} images repeat another of their class"
    if between:
        pair = [written[key] for key in dict.fromkeys(between[0])]
        yield (
            f"{len(between)} image{'s are' if len(between) > 1 else ' is'} in more than one class "
            f"(one in {some(pair)}): labels are wrong, or the classes are not what they seem"
        )
