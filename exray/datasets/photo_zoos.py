"""Zoos of photographs: CIFAR-10, or folders of images by class as ImageNet is unpacked."""

from functools import lru_cache, partial
from pathlib import Path

from exray.datasets.zoo import ZooDataset
from exray.images.cifar10.layout import holds_pickles, split_files
from exray.images.cifar10.reader import read_cifar10
from exray.images.class_folders import class_files, class_folders
from exray.images.sources.base import SPLITS, ImageSource, Split
from exray.images.sources.photographs import PhotographFiles, Photographs, StoredPhotographs
from exray.zoo.image_hash import hash_of_files
from exray.zoo.image_sets import IMAGES, ImageFacts, ZooImages
from exray.zoo.recipe import Half, ZooRecipe


class Cifar10Images(ZooImages):
    """CIFAR-10's two splits; every classifier of the zoo draws from the same images.

    Args:
        root: The folder, in any layout that :func:`exray.images.cifar10.layout.split_files` knows.

    Raises:
        ValueError: If it is no folder, lacks a split, or holds nothing but Python pickles.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if not root.is_dir():
            raise ValueError(f"dataset.root must be a folder with CIFAR-10; {root} is none")
        for split in SPLITS:
            if not split_files(root, split):
                raise ValueError(_missing(root, split))

    def of_model(self, facts: ImageFacts, *, split: Split) -> ImageSource:
        """The images of one split, read once in a process, when the first is drawn.

        Raises:
            ValueError: If the recipe does not speak of ten classes of 32 x 32 pixels.
        """
        if (facts.num_classes, facts.image_size) != (10, 32):
            raise ValueError(
                "CIFAR-10 has 10 classes of 32 x 32 pixels: dataset.recipe.num_classes must be 10 "
                f"and image_size 32; got {facts.num_classes} and {facts.image_size}"
            )
        return _cifar10(self.root, split)

    def scene_facts(self, facts: ImageFacts) -> None:
        """Nothing: photographs are taken as they are."""
        del facts

    def description(self) -> dict[str, object]:
        """The dataset and a hash of its files."""
        files = [file for split in SPLITS for file in split_files(self.root, split)]
        return {IMAGES: {"dataset": "cifar10", "sha256": hash_of_files(self.root, tuple(files))}}


class FolderImages(ZooImages):
    """A folder of images by class for each split, as ImageNet is usually unpacked.

    Classes are the subfolders of ``train``, in the order of its ``classes.json`` or else of their
    names. The other split is ``test`` or ``val``. Images are resized and cropped to the
    recipe's size, and read only when they are drawn.

    Args:
        root: Holds ``train`` and either ``test`` or ``val``.

    Raises:
        ValueError: If one of them is not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        held_out = "val" if (root / "val").is_dir() else "test"
        self._folders: dict[Split, Path] = {"train": root / "train", "test": root / held_out}
        for folder in self._folders.values():
            if not folder.is_dir():
                raise ValueError(
                    "dataset.root must hold the folders train and test (or val), each with one "
                    f"subfolder a class; {folder} is none"
                )

    def of_model(self, facts: ImageFacts, *, split: Split) -> ImageSource:
        """The images of one split.

        Raises:
            ValueError: If the classes are not as many as the recipe says.
        """
        names = class_folders(self._folders["train"])
        if len(names) != facts.num_classes:
            raise ValueError(
                f"{self._folders['train']} holds {len(names)} classes, and "
                f"dataset.recipe.num_classes is {facts.num_classes}; make it {len(names)}"
            )
        files = class_files(self._folders[split], names=names)
        return PhotographFiles(class_names=names, files=files, size=facts.image_size)

    def scene_facts(self, facts: ImageFacts) -> None:
        """Nothing: photographs are taken as they are."""
        del facts

    def description(self) -> dict[str, object]:
        """The kind of dataset and a hash of its files' names and sizes."""
        folders = tuple(self._folders.values())
        return {IMAGES: {"dataset": "image_folder", "sha256": hash_of_files(self.root, folders)}}


def cifar10_zoo(
    *, name: str, root: str | None, zoo: str, recipe: ZooRecipe, half: Half | None = None
) -> ZooDataset:
    """A zoo of classifiers of CIFAR-10.

    Args:
        name: What records call it.
        root: Folder of CIFAR-10; None is refused, as a file that inherits another's cannot leave it
            open.
        zoo: Folder of the zoo.
        recipe: How to build it.
        half: ``tuning`` or ``reporting`` for that half alone; None for all.

    Raises:
        ValueError: If ``root`` is not given, or does not hold CIFAR-10.
    """
    if root is None:
        raise ValueError("dataset.root must be given: dataset.root=DIR, the folder with CIFAR-10")
    images = Cifar10Images(Path(root))
    return ZooDataset(name=name, root=zoo, recipe=recipe, images=images, half=half)


def image_folder_zoo(*, name: str, root: str, zoo: str, recipe: ZooRecipe) -> ZooDataset:
    """A zoo of classifiers of the images in a folder.

    Args:
        name: What records call it.
        root: Folder with ``train`` and ``test`` or ``val``.
        zoo: Folder of the zoo.
        recipe: How to build it.

    Raises:
        ValueError: If ``root`` does not hold both splits.
    """
    return ZooDataset(name=name, root=zoo, recipe=recipe, images=FolderImages(Path(root)))


@lru_cache(maxsize=2)
def _cifar10(root: Path, split: Split) -> Photographs:
    return StoredPhotographs(partial(read_cifar10, root, split=split, limit_per_class=None))


def _missing(root: Path, split: Split) -> str:
    way_out = (
        "give the binary version (cifar-10-binary.tar.gz, unpacked), train*.npz and test*.npz, "
        "train*.parquet and test*.parquet, or the image folders train and test"
    )
    if holds_pickles(root):
        return f"{root} holds the Python version, whose pickles are never opened; {way_out}"
    return f"{root} holds no {split} images of CIFAR-10; {way_out}"
