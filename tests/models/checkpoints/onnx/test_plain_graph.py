"""A graph is made plain, or refused with what is wrong; hostile ones are in the corpus."""

import hostile_onnx
import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import numpy_helper

from exray.models.checkpoints.onnx.plain_graph import RefusedGraphError, plain_graph


def graph_of(folder, model):
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return plain_graph(folder / "m.onnx")


def test_all_names_are_ours(tmp_path):
    made = hostile_onnx.model(hostile_onnx.pooled(name="import os"), [hostile_onnx.weights()])
    made.producer_name = made.graph.doc_string = "somebody"
    graph = graph_of(tmp_path, made)
    text = str(graph.model)
    assert not any(name in text for name in ("import os", "kernel", "images", "somebody"))
    assert [node.name for node in graph.model.graph.node] == ["n0", "n1", "n2"]
    assert graph.operations == {"Conv": 1, "GlobalAveragePool": 1, "Flatten": 1}
    assert graph.sides == (0, 3, 8, 8)


def test_numbers_of_the_same_folder_are_brought_in(tmp_path):
    kernel = np.arange(12, dtype=np.float32).reshape(4, 3, 1, 1)
    (tmp_path / "w.data").write_bytes(b"head" + kernel.tobytes())
    graph = graph_of(tmp_path, hostile_onnx.external(location="w.data", offset=4, length=48))
    assert graph.files == ("w.data",)
    (tensor,) = graph.model.graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), kernel)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(100))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "w.data").symlink_to(tmp_path / "secret")
    with pytest.raises(RefusedGraphError, match=r"in 'w\.data', a link out of its folder"):
        graph_of(tmp_path / "folder", hostile_onnx.external(location="w.data"))


@pytest.mark.parametrize(
    ("sides", "said"),
    [(["n", 3, 8], "an input of 3 dimensions"), (["n", 3, 8, 99999], "a classifier of images")],
)
def test_what_takes_no_images_is_refused(tmp_path, monkeypatch, sides, said):
    monkeypatch.setattr(hostile_onnx, "SIDES", sides)
    with pytest.raises(RefusedGraphError, match=said):
        graph_of(tmp_path, hostile_onnx.plain())
