"""Image files below a folder."""

from exray.images.image_files import entries_of, files_below, natural_key


def test_natural_keys_compare_whatever_the_names():
    names = ["a10", "a2", "2", "10", "b", "a", "01", "1", "-1"]
    assert sorted(names, key=natural_key) == ["01", "1", "2", "10", "-1", "a", "a2", "a10", "b"]


def test_what_is_hidden_is_not_listed_and_links_to_folders_are_not_followed(tmp_path):
    for name in ("a/10.png", "a/9.png", "a/deep/1.png", "a/.hidden", "__MACOSX/a.png", "top.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    folders, files = entries_of(tmp_path)
    assert [path.name for path in folders] == ["a"]
    assert [path.name for path in files] == ["top.txt"]
    listed = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)]
    assert listed == ["a/9.png", "a/10.png", "a/deep/1.png", "top.txt"]
