"""The command ``exray inspect``."""

import json

import hub_folders
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from exray.app.cli import exray

LINES = """\
note: m.pt: the weights under 'net' were taken; left out: epoch
weights: 2 tensors, 9 numbers
  weight  3 x 2
  bias  3
architecture: none of torchvision's and timm's has these names and shapes
next: exray scan {path} --factory FILE.py:FUNCTION --images DIR"""


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "m.pt"
    torch.save({"net": nn.Linear(2, 3).state_dict(), "epoch": 3}, place)
    return place


def inspected(*words):
    return CliRunner().invoke(exray, ["inspect", *map(str, words)], standalone_mode=False)


def test_a_reader_learns_form_layers_and_the_next_command(path):
    result = inspected(path)
    lines = result.output.splitlines()
    assert result.return_value == 0
    assert lines[0] == f"{path}: zip archive of torch.save"
    assert "\n".join(lines[-6:]) == LINES.format(path=path)


def test_json_has_everything(path):
    found = json.loads(inspected(path, "--json").output)
    assert found["weights"] == {"weight": [3, 2], "bias": [3]}
    assert (found["refused"], found["network"], found["numbers"]) == (None, None, 9)
    assert found["command"].startswith(f"exray scan {path} --factory")


def test_a_file_that_is_refused_says_why_and_has_a_status_of_its_own(path):
    path.write_bytes(b"hello")
    result = inspected(path)
    assert result.return_value == 2
    assert "refused: it is not a checkpoint: it starts with b'hello'; give" in result.output
    missing = inspected(path.with_name("none.pt"), "--json")
    assert json.loads(missing.output)["refused"] == "does not exist; check the path"
    assert missing.return_value == 2


def test_many_layers_are_cut_short(path):
    torch.save({f"layer{place}": torch.ones(1) for place in range(50)}, path)
    assert "  ... and 10 more; --json lists all" in inspected(path).output


def test_each_model_of_a_folder_is_shown_and_a_folder_without_one_says_so(path):
    torch.save({"bias": torch.ones(3)}, path.with_name("n.pt"))
    result = inspected(path.parent)
    assert [line.split(":")[0] for line in result.output.splitlines() if "zip archive" in line] == [
        str(path),
        str(path.with_name("n.pt")),
    ]
    assert len(json.loads(inspected(path.parent, "--json").output)) == 2
    (path.parent / "empty").mkdir()
    nothing = inspected(path.parent / "empty")
    assert nothing.return_value == 2
    assert "must be a model or a folder of models" in nothing.stderr


def test_a_hubs_folder_says_its_network_and_its_classes(tmp_path):
    pytest.importorskip("transformers")
    hub_folders.transformers_folder(tmp_path / "convnext", "convnext")
    result = inspected(tmp_path / "convnext")
    assert result.return_value == 0
    assert "note: its classes are heron, lynx, otter, viper" in result.output
    assert "network: ConvNextForImageClassification, whole" in result.output
    assert result.output.endswith(f"next: exray scan {tmp_path / 'convnext'} --images DIR\n")
    (tmp_path / "convnext" / "model.safetensors").unlink()
    refused = inspected(tmp_path / "convnext")
    assert refused.return_value == 2
    assert "refused: it has none of model.safetensors" in refused.output
