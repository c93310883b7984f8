"""Local copies of objects, held to a local S3 server: fetched once, whole or absent."""

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from s3_server import forget, s3_server, use_server

from exray.storage.remote_files import UnreachableError, is_url, local_copy

pytestmark = pytest.mark.filterwarnings("ignore")  # of the server's and boto's own


@pytest.fixture(scope="module")
def server():
    """A local S3 server; its address."""
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(server, monkeypatch):
    """A bucket with a model and a folder of images; writes of further objects."""
    client = use_server(monkeypatch, server)
    client.create_bucket(Bucket="zoo")

    def put(key, content):
        client.put_object(Bucket="zoo", Key=key, Body=content)

    put("m.pt", b"weights")
    put("images/0/a.png", b"zero")
    put("images/1/b.png", b"one")
    yield put
    forget()


def test_an_object_is_fetched_once_and_again_when_it_has_changed(bucket, tmp_path):
    copy = local_copy("s3://zoo/m.pt", tmp_path)
    assert (copy.name, copy.read_bytes()) == ("m.pt", b"weights")
    stamp = copy.stat().st_mtime_ns
    assert local_copy("s3://zoo/m.pt", tmp_path) == copy
    assert copy.stat().st_mtime_ns == stamp
    bucket("m.pt", b"other weights")
    forget()
    changed = local_copy("s3://zoo/m.pt", tmp_path)
    assert changed != copy
    assert changed.read_bytes() == b"other weights"


@pytest.mark.usefixtures("bucket")
def test_a_folder_comes_with_all_that_is_in_it(tmp_path):
    copy = local_copy("s3://zoo/images", tmp_path)
    inside = {str(path.relative_to(copy)): path.read_bytes() for path in copy.rglob("*.png")}
    assert inside == {"0/a.png": b"zero", "1/b.png": b"one"}


@pytest.mark.usefixtures("bucket")
def test_of_many_at_once_one_fetches(tmp_path, monkeypatch):
    import s3fs

    fetched, get = [], s3fs.S3FileSystem.get

    def counted(self, *arguments, **options):
        fetched.append(threading.get_ident())
        return get(self, *arguments, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "get", counted)
    with ThreadPoolExecutor(4) as pool:
        copies = list(pool.map(lambda _: local_copy("s3://zoo/m.pt", tmp_path), range(8)))
    assert len(set(copies)) == 1
    assert len(fetched) == 1


@pytest.mark.usefixtures("bucket")
def test_a_fetch_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    import s3fs

    def broken(self, remote, local, **options):
        del self, remote, options
        with open(local, "wb") as file:
            file.write(b"wei")
        raise ConnectionError("reset")

    monkeypatch.setattr("exray.storage.remote_files.PAUSES", (0.0, 0.0))
    with monkeypatch.context() as patch:
        patch.setattr(s3fs.S3FileSystem, "get", broken)
        with pytest.raises(UnreachableError, match=r"s3://zoo/m\.pt cannot be read .*: reset; the"):
            local_copy("s3://zoo/m.pt", tmp_path)
    assert not list((tmp_path / "files").iterdir())
    assert local_copy("s3://zoo/m.pt", tmp_path).read_bytes() == b"weights"  # the same goes on


@pytest.mark.usefixtures("bucket")
def test_what_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"^s3://zoo/x\.pt does not exist$"):
        local_copy("s3://zoo/x.pt", tmp_path)


@pytest.mark.usefixtures("bucket")
def test_a_store_that_does_not_answer_is_asked_three_times(tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("exray.storage.remote_files.PAUSES", (0.0, 0.0))
    forget()
    with pytest.raises(UnreachableError, match=r"cannot be read after 3 tries: .*goes on$"):
        local_copy("s3://zoo/m.pt", tmp_path)


def test_local_names_are_no_urls():
    assert not is_url("C:\\models\\m.pt")
    assert not is_url(os.fspath("models/m.pt"))
    assert is_url("hf://someone/model/m.safetensors")


def test_without_its_library_a_kind_of_url_says_what_is_needed(tmp_path):
    with pytest.raises(ValueError, match=r"nosuch://x"):
        local_copy("nosuch://x/m.pt", tmp_path)
