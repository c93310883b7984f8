"""What a file is and holds, and which network its weights are of."""

import pickle

import named_architectures
import pytest
import torch
from torch import nn

from exray.models.architectures.registry import build
from exray.models.inspection import inspect_model

pytest.importorskip("torchvision")
NAME = "torchvision/squeezenet1_1"


def saved(path, content):
    torch.save(content, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module.", "net."])
def test_a_known_architecture_is_named_with_its_classes(tmp_path, prefix):
    state = build(NAME, num_classes=7).state_dict()
    path = saved(tmp_path / "m.pt", {"state_dict": {prefix + k: v for k, v in state.items()}})
    found = inspect_model(path)
    likely = {one.name: one for one in found.architectures}[NAME]
    assert (likely.share, likely.num_classes) == (1, 7)
    assert found.num_numbers == sum(value.numel() for value in state.values())
    assert found.command == f"exray scan {path} --architecture {NAME} --images DIR"
    assert found.report["form"] == "zip archive of torch.save"


def test_a_network_of_small_images_is_named_with_what_a_scan_changes(tmp_path):
    network = build("torchvision/resnet18", num_classes=10)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    found = inspect_model(saved(tmp_path / "m.pt", network.state_dict()))
    likely = found.architectures[0]
    assert (likely.share, likely.num_classes) == (1, 10)
    assert likely.changes[0].startswith("the first convolution is 3 x 3")
    assert f" --architecture {likely.name} " in found.command


@pytest.mark.slow
@pytest.mark.parametrize("library", named_architectures.LIBRARIES)
def test_an_architecture_drawn_at_random_is_named(library):
    pytest.importorskip(library)
    names = named_architectures.drawn(library)
    fits = [name for name in names if named_architectures.named(name)[1]]
    assert len(fits) >= len(names) - 2


def test_a_network_of_nobodys_needs_a_factory(tmp_path):
    path = saved(tmp_path / "a b.pt", nn.Linear(2, 3).state_dict())
    found = inspect_model(path)
    assert found.architectures == ()
    assert found.command == f"exray scan '{path}' --factory FILE.py:FUNCTION --images DIR"
    assert found.shapes == {"weight": (3, 2), "bias": (3,)}


def test_a_whole_network_needs_nothing(tmp_path):
    path = saved(tmp_path / "m.pt", nn.Sequential(nn.Linear(2, 3)))
    found = inspect_model(path)
    assert (found.network, found.architectures) == ("Sequential", ())
    assert found.command == f"exray scan {path} --images DIR"


def test_a_file_that_would_run_code_says_so_and_runs_nothing(tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "m.pt"

    class Opens:
        def __reduce__(self):
            return open, (str(canary), "w")

    path.write_bytes(pickle.dumps(Opens(), 2))
    found = inspect_model(path)
    assert found.problem.startswith("would run code when loaded (")
    assert "open" in str(found.report["names that are not on the list"])
    assert (found.command, found.shapes) == ("", {})
    assert not canary.exists()
