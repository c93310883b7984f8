"""Every layout that docs/images.md lists gives the same classes of the same images."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from exray.images.decoded import decode_listing
from exray.images.layouts.detection import list_images
from exray.images.loading import are_clean_images

NAMES = ("cat", "dog", "eel")
ROWS = range(9)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def by_folder(root, save, names=NAMES, rows=ROWS):
    for row in rows:
        save(root / names[row % 3] / f"{row}.png", row)


def by_index(root, save):
    by_folder(root, save, ("0", "1", "2"))


def by_padded_index(root, save):
    by_folder(root, save, ("00", "01", "02"))


def by_name(root, save):
    by_folder(root, save)


def by_classes_json(root, save):
    by_folder(root, save, ("z", "y", "x"))
    (root / "classes.json").write_text('{"z": 0, "y": 1, "x": 2}')


def by_classes_json_above_splits(root, save):
    by_folder(root / "test", save, ("z", "y", "x"))
    by_folder(root / "train", save, ("z", "y", "x"), range(3))
    (root / "classes.json").write_text('["z", "y", "x"]')


def numbered_from_one(root, save):
    by_folder(root, save, ("1", "2", "3"))


def by_file_name(root, save):
    for row in ROWS:
        save(root / f"class_{row % 3}_example_{row}.png", row)


def in_nested_folders(root, save):
    for row in ROWS:
        save(root / NAMES[row % 3] / f"part{row}" / "image.png", row)


def with_hidden_and_other_files(root, save):
    by_folder(root, save)
    save(root / ".ipynb_checkpoints" / "0.png", 0)
    save(root / "__MACOSX" / "0.png", 0)
    (root / "cat" / "Thumbs.db").write_bytes(b"")
    (root / "metadata.txt").write_text("downloaded in May")


def validation_before_training(root, save):
    by_folder(root / "val", save)
    by_folder(root / "train", save, NAMES, range(3))


def test_before_training_beside_other_folders(root, save):
    by_folder(root / "Test", save)
    by_folder(root / "Train", save, NAMES, range(3))
    save(root / "meta" / "map.png", 0)


def unlabelled_test_images_beside_training(root, save):
    for row in ROWS:
        save(root / "test" / f"{row}.png", row)
    by_folder(root / "train", save)


def training_alone(root, save):
    by_folder(root / "train", save)


def in_a_folder_of_its_own(root, save):
    by_folder(root / "pets" / "images", save)


def table(root, save, header, line, name="labels.csv", folder="images", ending=".png"):
    for row in ROWS:
        save(root / folder / f"{row}.png", row)
    lines = [header] if header else []
    lines += [line(f"{folder}/{row}{ending}", row % 3) for row in ROWS]
    (root / name).write_text("\n".join(lines) + "\n")


def csv_of_indices(root, save):
    table(root, save, "path,label", lambda path, label: f"{path},{label}")


def csv_of_names(root, save):
    table(root, save, "File_Name;Class", lambda path, label: f"{path};{NAMES[label]}")


def csv_of_both(root, save):
    table(root, save, "image,class_name,class_id", lambda p, k: f"{p},{'zyx'[k]},{k}")


def csv_of_numbers_from_one(root, save):
    table(root, save, "path,label", lambda path, label: f"{path},{label + 1}")


def csv_without_header(root, save):
    table(root, save, "", lambda path, label: f"{path},{label}")


def csv_with_names_of_files_alone(root, save):
    table(root, save, "id,label", lambda p, k: f"{p[7:]},{k}.0", ending="")


def csv_of_another_machine(root, save):
    table(root, save, "path,label", lambda path, label: f"C:\\data\\{path},{label}")


def text_with_spaces(root, save):
    table(root, save, "", lambda p, k: f"{p} {k}", name="val.txt", folder="my images")


def tabs_of_several_splits(root, save):
    table(root, save, "path\tlabel", lambda p, k: f"{p}\t{k}", name="val.tsv")
    (root / "train.tsv").write_text("path\tlabel\nimages/0.png\t2\n")


def metadata_beside_its_images(root, save):
    table(root / "val", save, "file_name,label", lambda p, k: f"{p},{k}", name="metadata.csv")


def arrays(root, save):
    pixels = save.pixels
    np.savez(root / "test.npz", images=pixels, labels=np.arange(9) % 3)
    np.savez(root / "train.npz", images=pixels[:3], labels=np.arange(3))


def arrays_of_splits(root, save):
    pixels = save.pixels
    few = {"x_train": pixels[:3], "y_train": np.arange(3)}
    np.savez(root / "set.npz", **few, x_test=pixels, y_test=(np.arange(9) % 3)[:, None])


def image_files_in_arrays(root, save):
    pixels = save.pixels
    files = [png(image) for image in pixels]
    data = np.frombuffer(b"".join(files), dtype=np.uint8)
    offsets = np.cumsum([0, *map(len, files)])
    np.savez(root / "a.npz", jpeg=data, offsets=offsets, labels=np.arange(9) % 3)


LAYOUTS = [
    by_index, by_padded_index, by_name, by_classes_json, by_classes_json_above_splits,
    numbered_from_one, by_file_name, in_nested_folders, with_hidden_and_other_files,
    validation_before_training, test_before_training_beside_other_folders,
    unlabelled_test_images_beside_training, training_alone, in_a_folder_of_its_own, csv_of_indices,
    csv_of_names, csv_of_both, csv_of_numbers_from_one, csv_without_header,
    csv_with_names_of_files_alone, csv_of_another_machine, text_with_spaces,
    tabs_of_several_splits, metadata_beside_its_images, arrays, arrays_of_splits,
    image_files_in_arrays,
]  # fmt: skip
test_before_training_beside_other_folders.__test__ = False


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_layout_gives_the_same_images_by_class(tmp_path, save, pixels, layout):
    layout(tmp_path, save)
    listing = list_images(tmp_path)
    decoded = decode_listing(listing, size=None, crop=None, limit_per_class=None)
    samples = decoded.labelled(3).samples
    assert samples.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    expected = pixels.reshape(3, 3, 8, 8, 3).transpose(1, 0, 4, 2, 3).reshape(9, 3, 8, 8)
    assert torch.equal(samples.images * 255, torch.from_numpy(expected))
    assert samples.num_classes == 3
    assert decode_listing(listing, size=4, crop=4, limit_per_class=1).images.shape == (3, 3, 4, 4)


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (by_name, "classes are numbered in the order of their names, as torchvision's"),
        (validation_before_training, "the val images are taken"),
        (test_before_training_beside_other_folders, "the Test images are taken"),
        (unlabelled_test_images_beside_training, "the train images are taken"),
        (tabs_of_several_splits, "the labels of val.tsv are taken"),
        (csv_of_numbers_from_one, "classes are numbered in the order of their numbers: 0 1, 1 2"),
        (arrays, "the test images are taken"),
        (arrays_of_splits, "the test images are taken"),
        (with_hidden_and_other_files, "are left out: cat/Thumbs.db"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_choice_is_said(tmp_path, save, layout, said):
    layout(tmp_path, save)
    decoded = decode_listing(list_images(tmp_path), size=None, crop=None, limit_per_class=None)
    assert any(said in warning for warning in decoded.labelled(3).warnings)


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        (by_name, NAMES),
        (csv_of_names, NAMES),
        (csv_of_both, ("z", "y", "x")),
        (by_classes_json_above_splits, ("z", "y", "x")),
        (by_index, ("class 0", "class 1", "class 2")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_classes_have_their_names(tmp_path, save, layout, names):
    layout(tmp_path, save)
    decoded = decode_listing(list_images(tmp_path), size=None, crop=None, limit_per_class=None)
    assert decoded.labelled(3).samples.class_names == names


def test_classes_that_validation_lacks_are_numbered_as_in_training(tmp_path, save):
    for row, name in ((0, "cat"), (2, "eel"), (8, "eel")):
        save(tmp_path / "val" / name / f"{row}.png", row)
    by_folder(tmp_path / "train", save)
    decoded = decode_listing(list_images(tmp_path), size=None, crop=None, limit_per_class=None)
    folder = decoded.labelled(3)
    assert folder.samples.labels.tolist() == [0, 2, 2]
    assert folder.samples.class_names == NAMES
    with pytest.raises(ValueError, match="since there are 3 and the classifier has 2 classes"):
        decoded.labelled(2)


@pytest.mark.parametrize("name", ["labels.csv", "a.parquet", "set.npz", "test_batch.bin"])
def test_a_file_that_lists_or_holds_images_may_be_named(tmp_path, name):
    assert not are_clean_images(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    assert are_clean_images(tmp_path / name)
    with pytest.raises(ValueError, match=name):
        list_images(tmp_path / name)


@pytest.mark.parametrize("name", ["cat.png", "model.pt", "images.zip"])
def test_another_file_is_no_place_of_clean_images(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    assert not are_clean_images(tmp_path / name)
    with pytest.raises(ValueError, match=rf"must be a folder; .*{name} is a file"):
        list_images(tmp_path / name)


def test_splits_without_classes_are_refused_by_the_first_of_them(tmp_path, save):
    for split in ("train", "test"):
        save(tmp_path / split / "a.png", 0)
    with pytest.raises(ValueError, match=r"test/a.png does not say its class"):
        list_images(tmp_path)


def test_a_single_class_in_its_folder_is_no_folder_of_folders(tmp_path, save):
    for row in range(3):
        save(tmp_path / "7" / f"part{row}" / "a.png", row)
    assert list(list_images(tmp_path).entries) == [7]
    save(tmp_path / "7" / "b.png", 4)
    assert list(list_images(tmp_path).entries) == [7]


def test_the_way_into_folders_ends(tmp_path):
    folder = tmp_path
    for _ in range(30):
        folder = folder / "a"
    folder.mkdir(parents=True)
    with pytest.raises(ValueError, match="must hold images; it holds none"):
        list_images(tmp_path)


def test_detection_imports_no_torch():
    code = "import sys, exray.images.layouts.detection; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
