"""The rehearsal of a graph, in this process: shapes that it takes, and answers."""

import hostile_onnx
import pytest

pytest.importorskip("onnx2torch")

from exray.models.checkpoints.onnx.worker import REFUSED, _shapes, answered

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_graph_comes_back_behind_a_line_about_it(tmp_path):
    (tmp_path / "m.onnx").write_bytes(hostile_onnx.plain().SerializeToString())
    status, output, why = answered(tmp_path / "m.onnx")
    assert (status, why) == (0, "")
    assert output.startswith(b'{"operations": {"Conv": 1')


def test_a_graph_that_does_not_run_is_refused(tmp_path):
    made = hostile_onnx.model(hostile_onnx.pooled(), [hostile_onnx.weights(dims=[3, 4, 1, 1])])
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    status, _, why = answered(tmp_path / "m.onnx")
    assert status == REFUSED
    assert "does not run on images" in why or "no ONNX file" in why


@pytest.mark.parametrize(
    ("sides", "first"),
    [
        ((0, 3, 16, 16), (4, 3, 16, 16)),
        ((1, 3, 0, 0), (1, 3, 224, 224)),
        ((0, 8, 8, 3), (4, 8, 8, 3)),
        ((0, 0, 0, 0), (4, 3, 224, 224)),
    ],
)
def test_shapes_of_images(sides, first):
    assert next(iter(_shapes(sides))) == first
