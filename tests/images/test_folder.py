"""Clean images out of a folder, by subfolder or by file name."""

import json
import zlib

import pytest
import torch
from PIL import Image

from exray.images.folder import read_folder


def add(root, name, value=0, side=4):
    """An image of one grey value, its folders made on the way."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", (side, side), value)
    if path.suffix.lower() == ".png":
        image.putpixel((side - 1, side - 1), zlib.crc32(name.encode()) % 256)  # no two the same
    image.save(path)
    return path


def read(root, **changes):
    settings = {"num_classes": None, "size": None, "crop": None, "limit_per_class": None}
    return read_folder(root, **{**settings, **changes})


def grey(samples):
    return (samples.images[:, 0, 0, 0] * 255).round().int().tolist()


def test_subfolders_named_by_index_are_classes(tmp_path):
    for label, value in ((10, 3), (2, 2), (0, 1)):
        add(tmp_path, f"{label}/a.png", value)
        add(tmp_path, f"{label}/b.JPG", value)
    folder = read(tmp_path, num_classes=11)
    assert folder.samples.labels.tolist() == [0, 0, 2, 2, 10, 10]
    assert folder.samples.images.shape == (6, 3, 4, 4)
    assert folder.samples.class_names[10] == "class 10"
    assert folder.warnings == ("8 of 11 classes without images: 1, 3, 4, 5, 6, 7, 8, 9",)


def test_files_that_name_their_class_need_no_subfolder(tmp_path):
    for name, value in (
        ("class_1_example_10.png", 10),
        ("class_1_example_2.jpg", 2),
        ("class_0_example_0.bmp", 7),
        ("CLASS_0_EXAMPLE_1.PPM", 8),
    ):
        add(tmp_path, name, value)
    (tmp_path / "notes.txt").write_text("kept with them")
    samples = read(tmp_path).samples
    assert samples.labels.tolist() == [0, 0, 1, 1]
    assert set(grey(samples)[:2]) == {7, 8}
    assert grey(samples)[2:] == [2, 10]


@pytest.mark.parametrize("content", [{"yield": 1, "stop": 0}, ["stop", "yield"]])
def test_subfolders_may_be_named_by_classes_json(tmp_path, content):
    (tmp_path / "classes.json").write_text(json.dumps(content))
    for value, name in enumerate(("yield", "yield", "stop", "stop")):
        add(tmp_path, f"{name}/{value}.png", value)
    samples = read(tmp_path).samples
    assert samples.class_names == ("stop", "yield")
    assert samples.labels.tolist() == [0, 0, 1, 1]
    assert grey(samples) == [2, 3, 0, 1]


def test_a_name_in_classes_json_comes_before_an_index(tmp_path):
    (tmp_path / "classes.json").write_text(json.dumps(["5", "6"]))
    add(tmp_path, "6/a.png")
    assert read(tmp_path).samples.labels.tolist() == [1]


def test_without_a_classifier_the_largest_index_counts_the_classes(tmp_path):
    add(tmp_path, "1/a.png")
    assert read(tmp_path).samples.num_classes == 2
    (tmp_path / "classes.json").write_text(json.dumps({"far": 4}))
    assert read(tmp_path).samples.class_names == (
        "class 0", "class 1", "class 2", "class 3", "far",
    )  # fmt: skip


def test_the_order_is_the_natural_one(tmp_path):
    for value in (10, 9, 1):
        add(tmp_path, f"0/img{value}.png", value)
    add(tmp_path, "0/deep/img0.png", 0)
    assert grey(read(tmp_path).samples) == [0, 1, 9, 10]


def test_the_limit_takes_the_first_readable_ones(tmp_path):
    for value in range(1, 5):
        add(tmp_path, f"0/{value}.png", value)
        add(tmp_path, f"1/{value}.png", value)
    (tmp_path / "0/1.png").write_bytes(b"broken")
    folder = read(tmp_path, limit_per_class=2)
    assert grey(folder.samples) == [2, 3, 1, 2]
    assert len(folder.warnings) == 1


def test_classes_with_one_image_are_said(tmp_path):
    for name in ("0/a.png", "0/b.png", "1/a.png"):
        add(tmp_path, name)
    assert read(tmp_path).warnings == ("1 of 2 classes with one image only: 1",)


def test_long_lists_are_cut_short(tmp_path):
    add(tmp_path, "0/a.png")
    add(tmp_path, "0/b.png")
    add(tmp_path, "1/a.png")
    add(tmp_path, "1/b.png")
    (warning,) = read(tmp_path, num_classes=101).warnings
    assert warning.endswith("2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 89 more")


def test_an_empty_class_folder_is_allowed(tmp_path):
    add(tmp_path, "1/a.png")
    add(tmp_path, "1/b.png")
    (tmp_path / "0").mkdir()
    assert read(tmp_path).warnings == ("1 of 2 classes without images: 0",)


def test_a_broken_image_is_left_out_and_named(tmp_path):
    add(tmp_path, "0/a.png")
    add(tmp_path, "0/b.png")
    (tmp_path / "0/c.png").write_bytes(b"broken")
    folder = read(tmp_path)
    assert len(folder.samples) == 2
    assert len(folder.warnings) == 1
    assert "left out: image" in folder.warnings[0]
    assert "c.png is no image" in folder.warnings[0]


def test_files_that_are_no_images_are_named_and_hidden_ones_are_not(tmp_path):
    add(tmp_path, "0/a.png")
    add(tmp_path, "0/b.png")
    for name in (".DS_Store", "readme.txt"):
        (tmp_path / "0" / name).write_text("x")
    (tmp_path / ".git").mkdir()
    (warning,) = read(tmp_path).warnings
    assert warning.endswith("are left out: 0/readme.txt")


def test_names_beyond_the_classifier_are_said(tmp_path):
    (tmp_path / "classes.json").write_text(json.dumps(["a", "b", "c"]))
    add(tmp_path, "a/1.png")
    add(tmp_path, "b/1.png")
    warnings = read(tmp_path, num_classes=2).warnings
    assert "classes.json names classes beyond the 2 of the classifier: c" in warnings


def test_images_of_many_sizes_need_a_size(tmp_path):
    add(tmp_path, "0/a.png", side=4)
    add(tmp_path, "1/b.png", side=5)
    with pytest.raises(
        ValueError, match=r"a.png is 4 x 4 and .*b.png is 5 x 5; set the size that .*: --size"
    ):
        read(tmp_path)
    assert read(tmp_path, size=6).samples.images.shape == (2, 3, 6, 6)
    assert read(tmp_path, crop=3).samples.images.shape == (2, 3, 3, 3)


@pytest.mark.parametrize("name", ["7/a.png", "class_7_example_1.png"])
def test_a_label_outside_the_classes_is_refused(tmp_path, name):
    add(tmp_path, name)
    with pytest.raises(
        ValueError, match=r"label 7 is no class's index, since the classifier has 5"
    ):
        read(tmp_path, num_classes=5)


def test_an_absurd_label_is_refused(tmp_path):
    add(tmp_path, f"class_{10**30}_example_1.png")
    with pytest.raises(ValueError, match="there can be at most 100000 classes"):
        read(tmp_path)


def test_an_unknown_folder_is_refused(tmp_path):
    add(tmp_path, "stop/a.png")
    with pytest.raises(ValueError, match=r"'stop' is neither an index .* since there is 1 and the"):
        read(tmp_path, num_classes=2)
    (tmp_path / "classes.json").write_text('["yield", "go"]')
    add(tmp_path, "go/a.png")
    with pytest.raises(ValueError, match=r"'stop' is neither .* since some are numbers; name each"):
        read(tmp_path, num_classes=2)


def test_a_flat_file_without_a_class_is_refused(tmp_path):
    add(tmp_path, "cat.png")
    with pytest.raises(ValueError, match=r"cat.png does not say its class; use one subfolder"):
        read(tmp_path)


def test_a_missing_root_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must be a folder; .*none does not exist"):
        read(tmp_path / "none")
    path = add(tmp_path, "a.png")
    with pytest.raises(ValueError, match=r"must be a folder; .*a.png is a file"):
        read(path)


def test_a_root_without_images_is_refused(tmp_path):
    (tmp_path / "0").mkdir()
    with pytest.raises(ValueError, match=r"must hold images; it holds none; use one subfolder"):
        read(tmp_path)


def test_a_root_with_only_broken_images_is_refused(tmp_path):
    (tmp_path / "0").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "0" / name).write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"can be read; the first problem of 2: image .*a.png"):
        read(tmp_path)


@pytest.mark.parametrize("key", ["num_classes", "limit_per_class"])
def test_counts_below_one_are_refused(tmp_path, key):
    with pytest.raises(ValueError, match=f"{key} must be at least 1, or None; got 0"):
        read(tmp_path, **{key: 0})


def test_reading_twice_gives_the_same(tmp_path):
    for value in range(12):
        add(tmp_path, f"{value % 3}/{value}.png", value)
    first, second = read(tmp_path).samples, read(tmp_path).samples
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
