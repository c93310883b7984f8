"""`exray scan FOLDER --images DIR`, and no other flag, for folders as model hubs store them."""

from pathlib import Path

import hub_folders
import pytest

from exray.app.cli import main
from exray.app.exit_status import STATUS
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict

pytest.importorskip("transformers")
pytest.importorskip("timm")
pytestmark = pytest.mark.usefixtures("one_thread")


def scanned(*words):
    """The exit status of a scan with the smallest budget that there is."""
    try:
        main(["scan", *words, "--images", "images", "--fast"])
    except SystemExit as stop:
        return stop.code
    return 0


# Library, architecture, steps of training until the network knows its four classes.
FOLDERS = [
    ("transformers", "convnext", 40),
    pytest.param("transformers", "vit", 40, marks=pytest.mark.slow),
    pytest.param("transformers", "swin", 40, marks=pytest.mark.slow),
    pytest.param("transformers", "beit", 40, marks=pytest.mark.slow),
    pytest.param("transformers", "resnet", 40, marks=pytest.mark.slow),
    pytest.param("timm", "deit_tiny_patch16_224", 40, marks=pytest.mark.slow),
    pytest.param("timm", "convnext_atto", 40, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("library", "name", "training_steps"), FOLDERS)
def test_a_hub_folder_is_scanned_to_a_verdict(
    library, name, training_steps, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)  # where `results` is made
    make = {"transformers": hub_folders.transformers_folder, "timm": hub_folders.timm_folder}
    (tmp_path / "model").mkdir()
    make[library](tmp_path / "model", name, training_steps=training_steps)
    hub_folders.image_folders(tmp_path / "images")
    status = scanned("model")
    line = capsys.readouterr().out
    record = ResultStore(Path("results/model")).read("model").record
    assert record.verdict in (Verdict.CLEAN, Verdict.NATURAL_ONLY, Verdict.TROJANED)
    assert (status, line.split("\t")[1]) == (STATUS[record.verdict], record.verdict)
    assert record.clean_accuracy >= 0.9  # the preprocessing of the folder is the one of training
    assert any("by the names that the model gives" in warning for warning in record.warnings)
    assert record.num_candidates > 0
