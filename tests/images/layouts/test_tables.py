"""Tables of image files, as the Hugging Face hub and its library store datasets."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from exray.images.layouts.tables import find_tables, read_tables

NAMES = ["cat", "dog", "eel"]
LABELS = [0, 1, 2] * 4


def png(row):
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (row * 20, 0, 0)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow", reason="pip install 'exray[parquet]'")


@pytest.fixture
def write(arrow):
    """Writes a table of images, as Parquet or as a stream of Arrow batches by its ending."""
    parquet = pytest.importorskip("pyarrow.parquet")
    ipc = pytest.importorskip("pyarrow.ipc")

    def table_file(path, *, columns=None, labels=LABELS, features=None, rows_per_group=5):
        images = [{"bytes": png(row), "path": f"{row}.png"} for row in range(len(labels))]
        table = arrow.table(columns or {"image": images, "label": labels})
        if features is not None:
            described = json.dumps({"info": {"features": features}})
            table = table.replace_schema_metadata({"huggingface": described})
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            parquet.write_table(table, path, row_group_size=rows_per_group)
        else:
            with ipc.new_stream(str(path), table.schema) as stream:
                stream.write_table(table, max_chunksize=rows_per_group)
        return path

    return table_file


def feature(names=NAMES):
    return {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}


def red(listing):
    return {
        key: [np.array(Image.open(io.BytesIO(entry.read())))[0, 0, 0] // 20 for entry in entries]
        for key, entries in listing.entries.items()
    }


def find(root, limit=None):
    return find_tables(root, limit_per_class=limit)


EXPECTED = {0: [0, 3, 6, 9], 1: [1, 4, 7, 10], 2: [2, 5, 8, 11]}


@pytest.mark.parametrize(
    "name",
    [
        "test.parquet",
        "data/test-00000-of-00001.parquet",
        "plain_text/test.parquet",
        "data-00000-of-00001.arrow",
        "imagefolder-test.arrow",
    ],
)
def test_the_files_of_a_dataset_are_found_where_they_lie(tmp_path, write, name):
    write(tmp_path / name, features=feature())
    listing = find(tmp_path)
    assert red(listing) == EXPECTED
    assert listing.names == dict(enumerate(NAMES))
    assert listing.remarks == ()


def test_no_more_is_taken_out_than_is_used(tmp_path, write):
    for name in ("a.parquet", "a.arrow"):
        path = write(tmp_path / name)
        assert red(read_tables([path], limit_per_class=2)) == {0: [0, 3], 1: [1, 4], 2: [2, 5]}


def test_shards_are_taken_together_and_splits_apart(tmp_path, write):
    for shard in range(2):
        write(tmp_path / f"test-0000{shard}-of-00002.parquet")
    write(tmp_path / "train-00000-of-00001.parquet")
    listing = find(tmp_path)
    assert len(listing.entries[0]) == 8
    assert "the test images are taken" in listing.remarks[0]


def test_a_split_without_labels_is_passed_over(tmp_path, write):
    write(tmp_path / "test.parquet", labels=[-1] * 3)
    write(tmp_path / "train.parquet")
    assert red(find(tmp_path)) == EXPECTED
    (tmp_path / "train.parquet").unlink()
    with pytest.raises(ValueError, match="holds tables without a single label"):
        find(tmp_path)


def test_names_may_stand_beside_the_table_as_save_to_disk_writes_them(tmp_path, write):
    write(tmp_path / "data-00000-of-00001.arrow")
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": feature()}))
    assert find(tmp_path).names == dict(enumerate(NAMES))
    (tmp_path / "dataset_info.json").write_text("{")
    assert find(tmp_path).names == {}


def test_folders_of_splits_are_left_to_be_chosen(tmp_path, write):
    for split in ("test", "train"):
        write(tmp_path / split / "data-00000-of-00001.arrow")
    assert find(tmp_path) is None
    assert find(tmp_path / "test") is not None


def test_labels_may_be_names(tmp_path, write):
    write(tmp_path / "a.parquet", labels=["dog", "cat", "dog"])
    assert red(find(tmp_path)) == {"dog": [0, 2], "cat": [1]}


def test_of_several_columns_of_labels_the_finest_is_taken(tmp_path, write):
    names = {"coarse_label": ["x"], "fine_label": NAMES}
    features = {name: {"names": n, "_type": "ClassLabel"} for name, n in names.items()}
    columns = {"img": [png(0), png(1)], "coarse_label": [0, 0], "fine_label": [2, 1]}
    path = write(tmp_path / "a.parquet", columns=columns, features=features)
    listing = read_tables([path], limit_per_class=None)
    assert list(listing.entries) == [2, 1]
    assert listing.names == dict(enumerate(NAMES))


def test_paths_beside_the_table_are_read_and_others_are_not(tmp_path, write):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes(png(3))
    (tmp_path / "b.png").write_bytes(png(4))
    images = [{"bytes": None, "path": path} for path in ("a.png", "../b.png")]
    path = write(tmp_path / "set" / "a.parquet", columns={"image": images, "label": [0, 1]})
    entries = read_tables([path], limit_per_class=None).entries
    assert entries[0][0].read() == png(3)
    with pytest.raises(ValueError, match=r"image 1 of .*a.parquet is no image file's bytes"):
        entries[1][0].read()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"]}, r"has the columns text, and no image"),
        ({"image": [b""]}, r"has the columns image, and no label"),
        ({"image": [b""], "label": [0.5]}, r"has the label 0.5, which is no class"),
        ({"image": [b""], "label": [10**6]}, r"has the label 1000000, which is no class"),
        ({"image": [b""], "label": [[0, 1]]}, r"has the label \[0, 1\], which is no class"),
    ],
)
def test_tables_of_something_else_are_refused(tmp_path, write, columns, message):
    path = write(tmp_path / "a.parquet", columns=columns)
    with pytest.raises(ValueError, match=rf"a.parquet is no table of images: .*{message}"):
        read_tables([path], limit_per_class=None)


@pytest.mark.usefixtures("arrow")
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_damaged_table_is_named(tmp_path, name):
    for content in (b"", b"PAR1", b"\xff\xff\xff\xff junk"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} is no table of images: it must have"):
            read_tables([tmp_path / name], limit_per_class=None)


def test_without_pyarrow_the_way_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match=r"needs pyarrow .* pip install 'exray\[parquet\]', or"):
        find(tmp_path)
