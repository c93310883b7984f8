"""Files are complete or absent, and leave nothing behind."""

import errno
import json
import os
import time

import pytest

from exray.errors import StorageError
from exray.storage.atomic_files import (
    STALE_SECONDS,
    TEMPORARY_PREFIX,
    clear_leftovers,
    create_file,
    replace_file,
    temporary_folder,
    write_json,
    writing,
)


def test_the_first_to_create_a_file_wins(tmp_path):
    assert create_file(tmp_path / "run.json", b"first")
    assert not create_file(tmp_path / "run.json", b"second")
    assert (tmp_path / "run.json").read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_is_created_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert create_file(tmp_path / "run.json", b"first")
    assert (tmp_path / "run.json").read_bytes() == b"first"


def test_replacing_a_file_leaves_only_the_new_one(tmp_path):
    for content in (b"old", b"new"):
        replace_file(tmp_path / "a.csv", content)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_a_temporary_folder_goes_with_its_content(tmp_path):
    with temporary_folder(tmp_path) as folder:
        (folder / "a").write_text("a")
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    replace_file(tmp_path / "a.csv", b"old")
    monkeypatch.setattr("exray.storage.atomic_files.write_synced", full)
    with pytest.raises(OSError, match="no space left"):
        replace_file(tmp_path / "a.csv", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_only_old_leftovers_are_cleared(tmp_path):
    for name, age in (("old", 2 * STALE_SECONDS), ("young", 0)):
        path = tmp_path / f"{TEMPORARY_PREFIX}{name}"
        path.write_text("half")
        os.utime(path, (time.time() - age,) * 2)
    (tmp_path / "a.csv").write_text("whole")
    os.utime(tmp_path / "a.csv", (0, 0))
    clear_leftovers(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"{TEMPORARY_PREFIX}young", "a.csv"]


def test_json_is_written_into_a_new_folder(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"rate": float("nan"), "count": 2})
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"rate": None, "count": 2}


def test_what_a_disk_refuses_names_the_place_and_other_errors_stay(tmp_path):
    message = r"m1 cannot be written: No space left on device; the same command goes on"
    with pytest.raises(StorageError, match=message), writing(tmp_path / "m1"):
        raise OSError(errno.ENOSPC, "No space left on device", "draft")
    with pytest.raises(StorageError, match="Read-only file system"), writing(tmp_path):
        raise OSError(errno.EROFS, "")
    with pytest.raises(FileNotFoundError), writing(tmp_path):
        (tmp_path / "absent").read_bytes()
