"""Which image files a folder has of each class."""

import subprocess
import sys

import pytest

from exray.images.folder_listing import list_folder


def add(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def listed(root, **options):
    listing = list_folder(root, **options)
    return {
        key: [entry.name.removeprefix(f"{root}/") for entry in entries]
        for key, entries in listing.entries.items()
    }


def test_a_class_is_a_folder_with_an_index_or_a_name_or_stands_in_a_files_name(tmp_path):
    add(tmp_path, "007/b.png", "7/a.png", "cat/deep/1.png", "cat/10.JPG", "cat/9.png", ".git/x.png")
    add(tmp_path, "class_7_example_2.png", "class_1_example_1.png", "notes.txt")
    assert listed(tmp_path) == {
        7: ["007/b.png", "7/a.png", "class_7_example_2.png"],
        "cat": ["cat/9.png", "cat/10.JPG", "cat/deep/1.png"],
        1: ["class_1_example_1.png"],
    }
    assert list_folder(tmp_path).written == {7: "007", "cat": "cat", 1: "1"}


def test_classes_json_goes_before_what_the_caller_knows(tmp_path):
    add(tmp_path, "cat/a.png", "5/a.png", "empty/readme.txt")
    assert list(listed(tmp_path, class_indices={"cat": 3, "5": 0})) == [0, 3, "empty"]
    (tmp_path / "classes.json").write_text('{"cat": 8}')
    listing = list_folder(tmp_path, class_indices={"cat": 3})
    assert listing.names == {8: "cat"}
    assert list(listing.entries) == [5, 8, "empty"]
    assert listing.remarks[0].endswith("are left out: empty/readme.txt")


def test_a_folder_that_is_none_or_holds_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must be a folder; .* does not exist; use one subfolder"):
        list_folder(tmp_path / "none")
    (tmp_path / "cat").mkdir()
    with pytest.raises(ValueError, match="must hold images; it holds none; use one subfolder"):
        list_folder(tmp_path)
    add(tmp_path, "cat.png")
    with pytest.raises(ValueError, match=r"file .*cat.png does not say its class; use one"):
        list_folder(tmp_path)


def test_listing_imports_no_torch():
    code = "import sys, exray.images.folder_listing; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
