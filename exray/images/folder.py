"""Clean images out of a folder: a subfolder per class, or the class in the file's name."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.images.decoding import EXTENSIONS, check_geometry, read_image
from exray.images.example_names import example_name
from exray.images.samples import SampleSet, classes_without_images, default_class_names
from exray.text import some

MAX_CLASSES = 100_000  # a larger index is a mistake in a name, and a name for each class is made
_MAX_LISTED = 10  # names in a message; the others are counted
_LAYOUT = (
    "use one subfolder per class named by its index, or by a name that classes.json gives an "
    "index, or files named class_3_example_1.png"
)


@dataclass(frozen=True, kw_only=True)
class FolderSamples:
    """The samples in a folder of images.

    Args:
        samples: The images that could be read.
        warnings: What the user should hear about: images left out, classes without images.
    """

    samples: SampleSet
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DecodedImages:
    """Images with the classes that their names say, before the classifier's count is known.

    Args:
        images: RGB in [0, 1], of one size.
        labels: Class index of each image.
        class_indices: The index of each class that has a name.
        places: One file or folder of each label, for messages.
        remarks: What the user should know about the files, one sentence each.
    """

    images: Float[Tensor, "n 3 h w"]
    labels: Int[Tensor, " n"]
    class_indices: Mapping[str, int]
    places: Mapping[int, Path]
    remarks: tuple[str, ...] = ()

    def labelled(self, num_classes: int | None) -> FolderSamples:
        """The samples under a classifier's number of classes; nothing is decoded again.

        Args:
            num_classes: Number of classes; None takes the largest index there is, plus one.

        Raises:
            ValueError: If a label lies outside the classes.
        """
        for label, place in self.places.items():
            _check_label(place, label, num_classes)
        indices = self.class_indices
        count = num_classes or 1 + max([int(self.labels.max()), *indices.values()])
        samples = SampleSet(
            images=self.images, labels=self.labels, class_names=_class_names(indices, count)
        )
        return FolderSamples(
            samples=samples, warnings=(*self.remarks, *_thin_classes(samples, indices))
        )


def read_folder(
    root: Path,
    *,
    num_classes: int | None,
    size: int | None,
    crop: int | None,
    limit_per_class: int | None,
    class_indices: Mapping[str, int] | None = None,
) -> FolderSamples:
    """The clean images in a folder as samples, with warnings.

    Args:
        root: See :func:`decode_folder`.
        num_classes: Number of classes of the classifier; None takes the largest index there is,
            that of ``classes.json`` included, plus one.
        size: See :func:`decode_folder`.
        crop: Likewise.
        limit_per_class: Likewise.
        class_indices: Likewise.

    Raises:
        ValueError: See :func:`decode_folder` and :meth:`DecodedImages.labelled`.
    """
    if num_classes is not None and num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, or None; got {num_classes}")
    decoded = decode_folder(
        root, size=size, crop=crop, limit_per_class=limit_per_class, class_indices=class_indices
    )
    return decoded.labelled(num_classes)


def decode_folder(
    root: Path,
    *,
    size: int | None,
    crop: int | None,
    limit_per_class: int | None,
    class_indices: Mapping[str, int] | None = None,
) -> DecodedImages:
    """The clean images in a folder, decoded, with the class that each name says.

    A class is a subfolder named by its index or by a name that ``classes.json`` gives an index
    (``{"stop": 0}`` or ``["stop", ...]``; the names there are looked up first), or it stands in the
    file's name, as in ``class_3_example_1.png``. The order is the natural one of the names (2
    before 10). An image that cannot be read is left out and reported; hidden files are ignored.

    Args:
        root: The folder.
        size: Side to resize to, in pixels; see :func:`exray.images.decoding.read_image`.
        crop: Side of the centre crop, in pixels.
        limit_per_class: At most so many images per class, the first readable ones; None for all.
        class_indices: The index of each class name where there is no ``classes.json``.

    Raises:
        ValueError: If the folder is missing or holds no readable image, a subfolder names no
            class, ``classes.json`` is not understood, or images differ in size.
    """
    check_geometry(size, crop)
    if limit_per_class is not None and limit_per_class < 1:
        raise ValueError(f"limit_per_class must be at least 1, or None; got {limit_per_class}")
    if not root.is_dir():
        raise ValueError(
            f"images must be a folder; {root} "
            f"{'is a file' if root.exists() else 'does not exist'}; {_LAYOUT}"
        )
    indices = read_class_indices(root) or dict(class_indices or {})
    files, places, remarks = _labelled_files(root, indices)
    labels, images, unreadable = read_labelled(
        files,
        lambda path: read_image(path, size=size, crop=crop),
        limit_per_class=limit_per_class,
    )
    if not images:
        raise ValueError(
            f"no image in {root} can be read; the first problem of {len(unreadable)}: "
            f"{unreadable[0]}"
        )
    remarks += [f"left out: {reason}" for reason in unreadable]
    return DecodedImages(
        images=torch.stack(images),
        labels=torch.tensor(labels),
        class_indices=indices,
        places=places,
        remarks=tuple(remarks),
    )


def read_class_indices(root: Path) -> dict[str, int]:
    """The index of each class name in the folder's ``classes.json``; empty without that file.

    Args:
        root: The folder that may hold it.

    Raises:
        ValueError: If the file is neither ``{"name": index}`` nor a list of names, or two names
            share an index.
    """
    path = root / "classes.json"
    if not path.is_file():
        return {}
    way_out = f'{path} must be {{"name": index, ...}} or a list of names in the order of indices'
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{way_out}; it cannot be read as JSON ({error})") from error
    if isinstance(content, list):
        pairs = [(name, index) for index, name in enumerate(content)]
    elif isinstance(content, dict):
        pairs = list(content.items())
    else:
        raise ValueError(f"{way_out}; got a {type(content).__name__}")
    indices: dict[str, int] = {}
    for name, index in pairs:
        if not isinstance(name, str) or type(index) is not int or not 0 <= index < MAX_CLASSES:
            raise ValueError(f"{way_out}, with indices from 0; got {name!r}: {index!r}")
        if name in indices or index in indices.values():
            raise ValueError(f"{way_out}, each once; got {name!r}: {index} a second time")
        indices[name] = index
    return indices


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """A sort key under which numbers inside a name count as numbers.

    Args:
        name: A file's or folder's name.

    Example:
        >>> sorted(["img10", "img2", "7"], key=natural_key)
        ['7', 'img2', 'img10']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    key = tuple((0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts)
    return (*key, (-1, name))  # 01 and 1 keep an order of their own


def _listed(folder: Path) -> list[Path]:
    """What lies in a folder, hidden entries and macOS leftovers apart, in natural order."""
    shown = [p for p in folder.iterdir() if not p.name.startswith((".", "__MACOSX"))]
    return sorted(shown, key=lambda p: natural_key(p.name))


def is_image(path: Path) -> bool:
    """Whether a path is a file with the ending of an image."""
    return path.is_file() and path.suffix.lower() in EXTENSIONS


def _labelled_files(
    root: Path, indices: Mapping[str, int]
) -> tuple[list[tuple[int, Path]], dict[int, Path], list[str]]:
    """Every image file with its label, class by class, a place per label, and remarks on others."""
    files: list[tuple[int, Path]] = []
    places: dict[int, Path] = {}
    others: list[str] = []
    for entry in _listed(root):
        if not entry.is_dir() and not is_image(entry):
            continue
        label = _label_of(entry, indices)
        _check_label(entry, label, None)
        places.setdefault(label, entry)
        inside = list(files_below(entry)) if entry.is_dir() else [entry]
        files += [(label, path) for path in inside if is_image(path)]
        others += [str(path.relative_to(root)) for path in inside if not is_image(path)]
    if not files:
        raise ValueError(f"{root} must hold images; it holds none; {_LAYOUT}")
    files.sort(key=lambda pair: pair[0])  # stable: the natural order stays within a class
    rule = f"files that end in none of {', '.join(EXTENSIONS)} are left out"
    return files, places, [f"{rule}: {some(others, _MAX_LISTED)}"] if others else []


def files_below(folder: Path) -> Iterator[Path]:
    """The files of a class folder and of the folders in it; links to folders are not followed."""
    for entry in _listed(folder):
        if not entry.is_dir():
            yield entry
        elif not entry.is_symlink():
            yield from files_below(entry)


def _label_of(entry: Path, indices: Mapping[str, int]) -> int:
    """The class that a subfolder or a flat file belongs to."""
    if not entry.is_dir():
        name = example_name(entry.name)
        if name is None or name.trigger is not None:
            raise ValueError(f"file {entry} does not say its class; {_LAYOUT}")
        return name.class_index
    if entry.name in indices:
        return indices[entry.name]
    if re.fullmatch("[0-9]+", entry.name):
        return int(entry.name)
    known = f"has {some(list(indices), _MAX_LISTED)}" if indices else "is not there"
    raise ValueError(
        f"folder {entry} is neither a class index nor a name in classes.json, which {known}; "
        f"{_LAYOUT}"
    )


def _check_label(entry: Path, label: int, num_classes: int | None) -> None:
    if label >= (num_classes or MAX_CLASSES):
        owner = "the classifier has" if num_classes else "there can be at most"
        raise ValueError(
            f"{entry} has label {label}, but {owner} {num_classes or MAX_CLASSES} classes, "
            f"counted from 0; rename it or name the classifier that it belongs to"
        )


def read_labelled(
    files: Sequence[tuple[int, Path]],
    read: Callable[[Path], Float[Tensor, "3 h w"]],
    *,
    limit_per_class: int | None,
) -> tuple[list[int], list[Float[Tensor, "3 h w"]], list[str]]:
    """Labels and images of the files that can be read, and why the others cannot.

    Args:
        files: Each with its label.
        read: Decodes one file; a ``ValueError`` says why it cannot.
        limit_per_class: At most so many images per class, the first readable ones; None for all.

    Raises:
        ValueError: If images differ in size.
    """
    labels: list[int] = []
    images: list[Tensor] = []
    unreadable: list[str] = []
    counts: Counter[int] = Counter()
    first_path = Path()
    for label, path in files:
        if limit_per_class is not None and counts[label] >= limit_per_class:
            continue
        try:
            image = read(path)
        except ValueError as error:
            unreadable.append(str(error))
            continue
        first_path = path if not images else first_path
        if images and image.shape != images[0].shape:
            raise ValueError(
                f"images must be of one size; {first_path} is {_size(images[0])} and {path} is "
                f"{_size(image)}; set size=... to the size the network takes"
            )
        images.append(image)
        labels.append(label)
        counts[label] += 1
    return labels, images, unreadable


def _size(image: Float[Tensor, "3 h w"]) -> str:
    return f"{image.shape[2]} x {image.shape[1]}"


def _class_names(indices: Mapping[str, int], count: int) -> tuple[str, ...]:
    """The names of ``classes.json``, and ``class i`` where it gives none."""
    names = list(default_class_names(count))
    for name, index in indices.items():
        if index < count:
            names[index] = name
    return tuple(names)


def _thin_classes(samples: SampleSet, indices: Mapping[str, int]) -> Iterator[str]:
    """What to say of classes with no image or one, and of names beyond the classes."""
    counts, total = samples.counts(), samples.num_classes
    empty = [str(index) for index in classes_without_images(counts)]
    single = [str(index) for index, count in enumerate(counts) if count == 1]
    beyond = [name for name, index in indices.items() if index >= total]
    if empty:
        yield f"{len(empty)} of {total} classes without images: {some(empty, _MAX_LISTED)}"
    if single:
        yield f"{len(single)} of {total} classes with one image only: {some(single, _MAX_LISTED)}"
    if beyond:
        listed = some(beyond, _MAX_LISTED)
        yield f"classes.json names classes beyond the {total} of the classifier: {listed}"
