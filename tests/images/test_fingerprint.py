"""A hash of the clean images that a run reads."""

from pathlib import Path

import pytest

from exray.images import fingerprint as module
from exray.images.fingerprint import images_fingerprint


@pytest.fixture
def images(tmp_path):
    """Thirty images of two classes, and a file beside them."""
    for index in range(30):
        path = tmp_path / "set" / str(index % 2) / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"image {index}".encode())
    (tmp_path / "set" / "classes.json").write_text('["a", "b"]')
    return tmp_path / "set"


def test_it_changes_with_what_is_read_and_where_it_lies_does_not_matter(images):
    before = images_fingerprint(images, limit_per_class=2)
    moved = images.rename(images.parent / "moved")
    assert images_fingerprint(moved, limit_per_class=2) == before
    seen = {before}
    for change in ("1/3.png", "classes.json", "0/2.png"):
        content = (moved / change).read_bytes()
        (moved / change).write_bytes(content[::-1])
        seen.add(images_fingerprint(moved, limit_per_class=2))
        (moved / change).write_bytes(content)
    (moved / "0" / "28.png").rename(moved / "0" / "29.png")
    seen.add(images_fingerprint(moved, limit_per_class=2))
    assert len(seen) == 5


def test_images_beyond_the_limit_are_not_read(images, monkeypatch):
    read = []
    sha256 = module._sha256
    monkeypatch.setattr(module, "_sha256", lambda path: read.append(path.name) or sha256(path))
    images_fingerprint(images, limit_per_class=2)
    assert read == ["classes.json", "0.png", "2.png", "1.png", "3.png"]
    read.clear()
    images_fingerprint(images, limit_per_class=None)
    assert len(read) == 31


def test_of_a_label_file_the_images_count_too(images):
    path = images / "labels.csv"
    path.write_text("path,label\n0/0.png,0\n1/1.png,1\n1/3.png,1\n")
    before = images_fingerprint(path, limit_per_class=1)
    (images / "1" / "3.png").write_bytes(b"another")
    assert images_fingerprint(path, limit_per_class=1) == before
    (images / "1" / "1.png").write_bytes(b"another")
    changed = images_fingerprint(path, limit_per_class=1)
    assert changed != before
    path.write_text("nothing")
    assert images_fingerprint(path, limit_per_class=1) != changed


def test_any_other_file_is_hashed_whole(tmp_path):
    path = Path(tmp_path / "a.npz")
    path.write_bytes(b"x" * 2_000_000)
    before = images_fingerprint(path, limit_per_class=1)
    path.write_bytes(b"x" * 1_999_999 + b"y")
    assert images_fingerprint(path, limit_per_class=1) != before
