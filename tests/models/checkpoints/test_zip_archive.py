"""Zip archives as torch writes them, and what is none."""

import zipfile

import pytest
import torch

from exray.models.checkpoints.zip_archive import ArchiveError, open_archive


def write(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def test_the_entries_of_a_checkpoint_are_those_that_torch_wrote(tmp_path):
    values = torch.arange(3.0)
    torch.save({"a": values}, tmp_path / "m.pt")
    archive = open_archive(tmp_path / "m.pt")
    assert archive.folder == "m"
    assert archive.sizes["data/0"] == 12
    assert archive.read("data/0") == values.numpy().tobytes()
    assert {"data.pkl", "version", "byteorder"} <= set(archive.sizes)


@pytest.mark.parametrize(
    ("names", "folder", "inside"),
    [
        (["m/a", "m/b/c"], "m", ["a", "b/c"]),
        (["a", "m/b"], "", ["a", "m/b"]),
        (["m/a", "n/b"], "", ["m/a", "n/b"]),
    ],
)
def test_a_folder_is_taken_off_where_all_entries_lie_in_it(tmp_path, names, folder, inside):
    archive = open_archive(write(tmp_path / "m.zip", [(name, b"x") for name in names]))
    assert (archive.folder, list(archive.sizes)) == (folder, inside)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["m/../a"], r"with an entry 'm/\.\./a' outside its folder"),
        (["/etc/passwd"], "with an entry '/etc/passwd' outside its folder"),
        (["m/a\nb"], "outside its folder"),
        (["m/data", "m/DATA"], "with two entries 'm/DATA'"),
    ],
)
def test_names_that_leave_the_folder_or_repeat_are_refused(tmp_path, names, message):
    path = write(tmp_path / "m.zip", [(name, b"x") for name in names])
    with pytest.raises(ArchiveError, match=message):
        open_archive(path)


def test_a_directory_that_does_not_end_the_file_is_refused(tmp_path):
    path = write(tmp_path / "m.zip", [("m/a", b"x")])
    data = path.read_bytes()
    for changed in (data[:-1], data + b"more", b"PK"):
        path.write_bytes(changed)
        with pytest.raises(ArchiveError, match="is a truncated zip file"):
            open_archive(path)


def test_an_entry_that_grows_too_much_or_is_packed_otherwise_is_refused(tmp_path):
    path = write(tmp_path / "m.zip", [("m/a", bytes(2**20))], zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveError, match="lies about the size of 'm/a'"):
        open_archive(path)
    path = write(tmp_path / "n.zip", [("m/a", b"x" * 100)], zipfile.ZIP_LZMA)
    with pytest.raises(ArchiveError, match="whose compression torch does not know"):
        open_archive(path)


def test_an_entry_of_a_changed_file_is_refused_when_it_is_read(tmp_path):
    path = write(tmp_path / "m.zip", [("m/a", b"original")])
    archive = open_archive(path)
    path.write_bytes(path.read_bytes().replace(b"original", b"modified"))
    with pytest.raises(ArchiveError, match="is a truncated zip file"):
        archive.read("a")
