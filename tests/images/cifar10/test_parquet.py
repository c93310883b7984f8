"""Tables of image files, as dataset hubs store CIFAR-10."""

import sys
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from exray.images.cifar10.parquet import read_parquet
from exray.images.cifar10.reader import read_cifar10


def images(count, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def read(root, split):
    return read_cifar10(root, split=split, limit_per_class=None)


def png(image):
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def rows(count):
    return [{"bytes": png(image), "path": None} for image in images(count)]


@pytest.fixture
def pyarrow(monkeypatch):
    """A stand-in that gives the table it is told, so that the default tests need no pyarrow."""
    table = {}

    def read_table(path):
        del path
        columns = {
            name: SimpleNamespace(to_pylist=lambda values=values: values)
            for name, values in table.items()
        }
        return SimpleNamespace(column_names=list(table), column=columns.__getitem__)

    module = ModuleType("pyarrow.parquet")
    module.read_table = read_table
    monkeypatch.setitem(sys.modules, "pyarrow", ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", module)
    return table


def test_tables_are_read_like_arrays(tmp_path, pyarrow):
    pyarrow.update(img=rows(20), label=[index % 10 for index in range(20)])
    (tmp_path / "plain_text").mkdir()
    (tmp_path / "plain_text" / "train-00000-of-00001.parquet").write_bytes(b"")
    samples = read(tmp_path, "train")
    assert samples.labels.tolist() == pyarrow["label"]
    assert torch.equal(samples.images * 255, torch.from_numpy(images(20)).permute(0, 3, 1, 2))
    limited = read_cifar10(tmp_path, split="train", limit_per_class=1)
    assert torch.equal(limited.images, samples.images[:10])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"]}, "must have the columns img"),
        ({"img": [None], "label": [1]}, "must have the columns img"),
        ({"img": [{"bytes": b"x"}], "label": [10]}, "must hold labels from 0 to 9"),
        ({"img": [{"bytes": b"x"}], "label": [1]}, "0 of .*a.parquet is no image"),
    ],
)
def test_tables_of_something_else_are_refused(tmp_path, pyarrow, columns, message):
    pyarrow.update(columns)
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.parquet", "train")


def test_without_pyarrow_the_way_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"needs pyarrow .* pip install 'exray\[parquet\]', or"):
        read_parquet(tmp_path / "a.parquet")


def test_a_real_table_is_read(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="pip install 'exray[parquet]'")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"img": rows(10), "label": list(range(10))})
    parquet.write_table(table, tmp_path / "test.parquet")
    assert read(tmp_path, "test").labels.tolist() == list(range(10))
    (tmp_path / "test.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="is no table of images"):
        read(tmp_path, "test")


def test_the_bytes_and_labels_are_those_of_the_table_whatever_the_columns_are_called(pyarrow):
    pyarrow.update(image=[{"bytes": b"one"}, {"bytes": b"two"}], labels=[7, 2], path=["a", "b"])
    assert read_parquet(Path("a.parquet")) == [(b"one", 7), (b"two", 2)]
