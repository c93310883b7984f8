"""The manual's example loads a repaired file and reads where it comes from."""

import re
from pathlib import Path

import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.repair.output import write_weights

PAGE = Path(__file__).resolve().parents[2] / "docs" / "repair.md"
FACTORY = "from torch import nn\n\ndef net():\n    return {network}\n"
NETWORK = "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))"


def test_the_example_loads_a_repaired_file_and_says_what_was_unlearned(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "factory.py").write_text(FACTORY.format(network=NETWORK))
    network = eval(NETWORK, {"nn": nn})
    classifier = Classifier(network, Preprocessing(), num_classes=4, name="net")
    told = {"unlearned": [{"victim_class": 1}]}
    images = torch.rand(2, 3, 8, 8)
    write_weights(classifier, tmp_path / "repaired.safetensors", told, images)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    exec(code, names)
    assert capsys.readouterr().out == "[{'victim_class': 1}]\n"
    assert torch.equal(names["classifier"](images), classifier(images))
