"""One image that can be read."""

import os

import pytest

from exray.images.listing import file_entry


def test_a_file_is_read_when_it_is_asked_for(tmp_path):
    entry = file_entry(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"data")
    assert entry.name == str(tmp_path / "a.png")
    assert entry.read() == b"data"


def test_a_missing_file_and_a_pipe_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"none.png cannot be read \(No such file"):
        file_entry(tmp_path / "none.png").read()
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe.png is no file; leave it out"):
        file_entry(tmp_path / "pipe.png").read()
