"""The hash of image files."""

import pytest

from exray.zoo.image_hash import hash_of_files


@pytest.fixture
def write(tmp_path):
    """Writes a folder of two files and returns its hash."""

    def hashed(folder, names=("a.png", "b/c.npz"), contents=(b"one", b"two")):
        for name, content in zip(names, contents, strict=True):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return hash_of_files(tmp_path / folder, (tmp_path / folder,))

    return hashed


def test_the_same_files_elsewhere_have_the_same_hash(write):
    assert write("here") == write("there")


def test_another_name_or_size_is_another_hash(write):
    hashes = {
        write("plain"),
        write("renamed", names=("a.png", "c/c.npz")),
        write("longer", contents=(b"four", b"two")),
    }
    assert len(hashes) == 3


def test_files_of_many_images_are_read_and_single_images_only_measured(write):
    assert write("plain") == write("other image", contents=(b"eno", b"two"))
    assert write("plain") != write("other table", contents=(b"one", b"owt"))


def test_files_count_in_any_order_and_only_those_that_are_named(write, tmp_path):
    whole = write("here")
    image, table = tmp_path / "here" / "a.png", tmp_path / "here" / "b"
    assert hash_of_files(tmp_path / "here", (table, image)) == whole
    assert hash_of_files(tmp_path / "here", (image,)) != whole
