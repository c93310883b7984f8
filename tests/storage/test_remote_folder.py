"""Whole objects below a URL, held to a local S3 server."""

from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from s3_server import forget, s3_server, use_server

from exray.storage.remote_files import UnreachableError
from exray.storage.remote_folder import RemoteFolder

pytestmark = pytest.mark.filterwarnings("ignore")  # of the server's and boto's own


@pytest.fixture(scope="module")
def server():
    with s3_server() as address:
        yield address


@pytest.fixture
def folder(server, monkeypatch, tmp_path):
    use_server(monkeypatch, server).create_bucket(Bucket=tmp_path.name.replace("_", "-").lower())
    yield RemoteFolder(f"s3://{tmp_path.name.replace('_', '-').lower()}/run/")
    forget()


def test_objects_are_written_read_listed_and_removed(folder):
    assert (folder.names(), folder.read("a")) == ([], None)
    folder.write("b/c", b"1")
    folder.write("a", b"2")
    folder.write("a", b"3")
    assert (folder.names(), folder.read("a")) == (["a", "b/c"], b"3")
    folder.remove("a")
    folder.remove("a")
    assert (folder.names(), folder.read("a")) == (["b/c"], None)


def test_of_several_that_create_an_object_one_wins(folder):
    contents = [f"worker {index}".encode() for index in range(6)]
    with ThreadPoolExecutor(6) as pool:
        is_ours = list(pool.map(lambda content: folder.create("claim", content), contents))
    assert is_ours.count(True) == 1
    winner = contents[is_ours.index(True)]
    assert folder.read("claim") == winner
    assert folder.create("claim", winner)  # an answer was lost, and the writer asks again


def test_a_store_that_does_not_answer_is_one_line(folder, monkeypatch):
    monkeypatch.setattr("exray.storage.remote_files.PAUSES", (0.0, 0.0))
    unreachable = Mock(side_effect=ConnectionError("no route to host"))
    monkeypatch.setattr(folder._files, "pipe_file", unreachable)
    said = r"^s3://.*/run/a cannot be written after 3 tries: no route to host; the same command"
    with pytest.raises(UnreachableError, match=said):
        folder.write("a", b"1")
    with pytest.raises(UnreachableError, match=said):
        folder.create("a", b"1")


@pytest.mark.parametrize("url", ["file:///tmp/x", "local:///tmp/x"])
def test_a_folder_of_this_machine_is_refused(url):
    pytest.importorskip("fsspec")
    with pytest.raises(ValueError, match=r"must be the URL of an object store.*paths\.results is"):
        RemoteFolder(url)
