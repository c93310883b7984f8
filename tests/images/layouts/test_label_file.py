"""Images whose classes stand in a text file."""

import pytest

from exray.images.layouts.label_file import find_label_file, list_label_file, read_label_file


def write(root, text, name="labels.csv", images=("a.png", "b.png"), encoding="utf-8"):
    for image in images:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).write_bytes(image.encode())
    (root / name).write_text(text, encoding=encoding)
    return root / name


def labelled(path):
    entries = list_label_file(path).entries
    return {key: [entry.read().decode() for entry in images] for key, images in entries.items()}


@pytest.mark.parametrize("header", ["path,label", "file_name,class", "Filename,ClassId", "ID,y"])
def test_the_columns_have_the_names_that_people_use(tmp_path, header):
    path = write(tmp_path, f"{header}\na.png,1\nb.png,0\n")
    assert labelled(path) == {1: ["a.png"], 0: ["b.png"]}


def test_other_columns_may_stand_before_and_between(tmp_path):
    path = write(tmp_path, "Width;Filename;Roi.X1;ClassId\n9;a.png;1;42\n9;b.png;1;0\n")
    assert labelled(path) == {42: ["a.png"], 0: ["b.png"]}


def test_quotes_a_byte_order_mark_and_windows_line_ends_are_understood(tmp_path):
    path = write(tmp_path, 'path,label\r\n"c,d.png","a, b"\r\n', images=["c,d.png"])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert labelled(path) == {"a, b": ["c,d.png"]}


def test_names_beside_numbers_are_the_classes_names(tmp_path):
    path = write(tmp_path, "path,class,class_name\na.png,1,one\nb.png,0,zero\n")
    assert list_label_file(path).names == {1: "one", 0: "zero"}
    path = write(tmp_path, "path,class,class_name\na.png,1,one\nb.png,1,two\n")
    assert list_label_file(path).names == {}


@pytest.mark.parametrize(
    "written",
    ["deep/a.png", "./deep/a.png", "/home/me/deep/a.png", "..\\x\\deep\\a.png", "deep/a"],
)
def test_paths_are_found_below_the_file_wherever_they_led_before(tmp_path, written):
    path = write(tmp_path, f"path,label\n{written},3\n", images=["deep/a.png"])
    assert labelled(path) == {3: ["deep/a.png"]}


@pytest.mark.parametrize("folder", ["images", "img", "labels"])
def test_images_may_lie_in_a_folder_beside_the_file(tmp_path, folder):
    path = write(tmp_path, "path,label\na.png,3\n", images=[f"{folder}/a.png"])
    assert labelled(path) == {3: [f"{folder}/a.png"]}


def test_a_path_that_leads_out_is_left_out(tmp_path):
    inner = tmp_path / "set"
    path = write(inner, "path,label\na.png,0\n../secret.png,1\nlink.png,1\n")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (inner / "link.png").symlink_to(tmp_path / "secret.png")
    entries = list_label_file(path).entries
    assert entries[0][0].read() == b"a.png"
    for entry in entries[1]:
        with pytest.raises(ValueError, match=r"png lies outside .*set, where its label file is"):
            entry.read()


def test_of_several_files_that_of_the_validation_images_is_taken(tmp_path):
    write(tmp_path, "path,label\na.png,5\n", "train.csv")
    write(tmp_path, "path,label\nb.png,6\n", "val.csv")
    write(tmp_path, "a note on a.png", "notes.txt")
    listing = find_label_file(tmp_path)
    assert list(listing.entries) == [6]
    assert listing.remarks == (f"of {tmp_path} the labels of val.csv are taken",)


@pytest.mark.parametrize(
    "text", ["", "x,y\n1,2\n", "nothing to see", "path,label\n", "label\n3\n", "path\na.png\n"]
)
def test_what_lists_no_images_is_passed_over_and_refused_by_name(tmp_path, text):
    path = write(tmp_path, text)
    assert find_label_file(tmp_path) is None
    with pytest.raises(ValueError, match=r"labels.csv must list images with a path and a label"):
        list_label_file(path)


def test_paths_that_lead_nowhere_are_refused(tmp_path):
    path = write(tmp_path, "path,label\nnowhere.png,1\n")
    with pytest.raises(ValueError, match="it names no image that is there"):
        list_label_file(path)


def test_a_file_that_is_no_text_is_passed_over(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00path,label\n")
    assert read_label_file(tmp_path / "a.csv") is None
