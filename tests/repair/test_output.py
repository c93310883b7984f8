"""A repaired file is new, gives the network's predictions, and says where it comes from."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.models.outputs import LogOfProbabilities
from exray.repair.output import check_output, provenance_of, write_weights


def test_the_file_gives_the_same_predictions_and_its_provenance(
    tmp_path, clean_twin, colour_samples
):
    path = tmp_path / "new.safetensors"
    write_weights(clean_twin, path, {"seed": 3, "rounds": [0.5]}, colour_samples.images)
    state = load_file(path)
    own = clean_twin.network.state_dict()
    assert state.keys() == own.keys()
    assert all(torch.equal(state[name], own[name]) for name in own)
    assert provenance_of(path) == {"seed": 3, "rounds": [0.5]}


def test_names_are_those_of_the_network_that_was_loaded(tmp_path):
    inner = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Softmax(dim=1))
    wrapped = Classifier(LogOfProbabilities(inner), Preprocessing(), num_classes=3, name="net")
    path = tmp_path / "new.safetensors"
    write_weights(wrapped, path, {}, torch.rand(2, 3, 2, 2))
    assert set(load_file(path)) == {"1.weight", "1.bias"}


def test_weights_that_share_memory_are_written(tmp_path):
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 12), nn.Linear(12, 12))
    network[2].weight = network[1].weight
    classifier = Classifier(network, Preprocessing(), num_classes=12, name="tied")
    write_weights(classifier, tmp_path / "new.safetensors", {}, torch.rand(2, 3, 2, 2))
    assert len(load_file(tmp_path / "new.safetensors")) == 4


def test_nothing_is_overwritten(tmp_path, clean_twin, colour_samples):
    path = tmp_path / "there.safetensors"
    path.write_bytes(b"mine")
    with pytest.raises(ValueError, match="exists by now, and nothing is overwritten"):
        write_weights(clean_twin, path, {}, colour_samples.images)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("there.safetensors", "--output must be a new file, and .* exists; name another"),
        ("new.pt", r"--output must end in .safetensors; got .*new.pt"),
        ("nowhere/new.safetensors", "--output must lie in a folder that exists; .* is none"),
    ],
)
def test_an_output_that_cannot_be_is_refused(tmp_path, name, said):
    (tmp_path / "there.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=said):
        check_output(tmp_path / name, "--output")
    check_output(tmp_path / "new.safetensors", "--output")


def test_a_file_that_was_not_repaired_says_so(tmp_path):
    save_file({"weight": torch.ones(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match="does not say that it was repaired"):
        provenance_of(tmp_path / "plain.safetensors")
