"""Every class has a folder: which there are, in which order, with which images."""

import pytest
from PIL import Image

from exray.images.class_folders import class_files, class_folders


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4)).save(path)


def test_class_folders_are_in_natural_order_or_that_of_classes_json(tmp_path):
    for name in ("10", "2", ".hidden"):
        save(tmp_path / name / "x.png")
    assert class_folders(tmp_path) == ("2", "10")
    (tmp_path / "classes.json").write_text('["10", "2"]')
    assert class_folders(tmp_path) == ("10", "2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('["a", "c"]', "they differ in b, c"),
        ('{"a": 0, "b": 2}', "must number its classes from 0 without gaps"),
    ],
)
def test_a_classes_json_of_other_folders_is_refused(tmp_path, content, message):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "classes.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        class_folders(tmp_path)


def test_a_folder_without_classes_and_a_class_without_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must hold one subfolder of images per class; it holds"):
        class_folders(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".x.png").write_bytes(b"")
    with pytest.raises(ValueError, match="must hold images of its class; it holds none"):
        class_files(tmp_path, names=("a",))


def test_files_of_a_class_are_its_images_at_any_depth_in_natural_order(tmp_path):
    for name in ("a/10.png", "a/9.png", "a/deep/1.png", "a/.hidden.png", "b/0.png"):
        save(tmp_path / name)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    files = class_files(tmp_path, names=("b", "a"))
    paths = [[str(path.relative_to(tmp_path)) for path in paths] for paths in files]
    assert paths == [["b/0.png"], ["a/9.png", "a/10.png", "a/deep/1.png"]]
