"""`exray scan model.onnx --images DIR`, and no other flag."""

from pathlib import Path

import hub_folders
import onnx_files
import pytest
from torch import nn

from exray.app.cli import main
from exray.app.exit_status import STATUS
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict

pytest.importorskip("onnx2torch")
pytestmark = pytest.mark.usefixtures("one_thread")


def small_cnn():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(256, 4),
    )  # fmt: skip


def small_timm(name):
    timm = pytest.importorskip("timm")
    size = {} if name.startswith("convnext") else {"img_size": hub_folders.SIDE}
    return timm.create_model(name, num_classes=4, **size, **hub_folders.TIMM[name])


# Network, operator set, whether torch.export's exporter writes it, images that it takes at a time.
GRAPHS = [
    ("cnn", 17, False, None),
    pytest.param("cnn", 18, True, 1, marks=pytest.mark.slow),
    pytest.param("vit_tiny_patch16_224", 17, False, 1, marks=pytest.mark.slow),
    pytest.param("vit_tiny_patch16_224", 20, True, None, marks=pytest.mark.slow),
    pytest.param("convnext_atto", 20, True, 2, marks=pytest.mark.slow),
]


def scanned(*words):
    """The exit status of a scan with the smallest budget that there is."""
    try:
        main(["scan", *words, "--images", "images", "--fast"])
    except SystemExit as stop:
        return stop.code
    return 0


# onnx2torch indexes by lists in its Slice, up to the largest number for an open end.
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence", "ignore:Truncating the start")
@pytest.mark.parametrize(("name", "opset", "dynamo", "num_images"), GRAPHS)
def test_an_onnx_graph_is_scanned_to_a_verdict(
    name, opset, dynamo, num_images, tmp_path, monkeypatch, capsys
):
    if dynamo:
        pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)  # where `results` is made
    network = small_cnn() if name == "cnn" else small_timm(name)
    hub_folders.train(network, network, 60)
    graph = onnx_files.exported(
        onnx_files.OfUnitImages(network).eval(),
        hub_folders.pictures(1)[0],
        opset=opset,
        dynamo=dynamo,
        num_images=num_images,
    )
    Path("model.onnx").write_bytes(graph)
    hub_folders.image_folders(tmp_path / "images")
    status = scanned("model.onnx")
    line = capsys.readouterr().out.splitlines()[-1]
    record = ResultStore(Path("results/model")).read("model").record
    assert record.verdict in (Verdict.CLEAN, Verdict.NATURAL_ONLY, Verdict.TROJANED)
    assert (status, line.split("\t")[1]) == (STATUS[record.verdict], record.verdict)
    assert record.clean_accuracy >= 0.9
    assert record.num_candidates > 0
    batches = f"batches of {num_images} images alone"
    assert any(batches in warning for warning in record.warnings) == bool(num_images)
