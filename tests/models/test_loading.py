"""A classifier out of a file, a factory or memory."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from exray.errors import CheckpointError
from exray.models.architectures.registry import build
from exray.models.classifier import Preprocessing
from exray.models.loading import load_classifier, load_network


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(dict(build("plain_cnn", num_classes=5).state_dict()), path)
    return path


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 4))


def test_a_state_dict_and_a_name_make_a_classifier_with_its_file_report(file):
    classifier = load_classifier(file, architecture="plain_cnn")
    assert (classifier.name, classifier.num_classes) == ("plain_cnn", 5)
    assert classifier.warnings == ()
    assert classifier.file_report["form"] == "safetensors"
    assert not classifier.network.training


def test_the_file_may_be_named_by_text_and_the_network_by_a_function(tmp_path):
    network = linear()
    torch.save(network.state_dict(), tmp_path / "m.pt")
    example = torch.rand(2, 3, 2, 2)
    classifier = load_classifier(str(tmp_path / "m.pt"), factory=linear, example=example)
    assert classifier.name == "linear"
    assert torch.equal(classifier(example), network(example))


def test_a_whole_network_needs_no_description(tmp_path):
    torch.save(build("plain_cnn", num_classes=3), tmp_path / "m.pt")
    classifier = load_classifier(tmp_path / "m.pt", architecture=None)
    assert classifier.num_classes == 3
    assert "holds a whole Sequential" in classifier.warnings[0]
    assert classifier.file_report["form"] == "zip archive of torch.save"


def test_a_network_in_memory_is_copied_and_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).train()
    network[0].bias.requires_grad_(False)
    classifier = load_classifier(network, preprocessing=Preprocessing(mean=(0.5,), std=(0.5,)))
    assert network.training
    assert network[0].weight.requires_grad
    assert not classifier.network[0].weight.requires_grad
    assert not classifier.network.training
    with torch.no_grad():
        network[0].weight.zero_()
    assert classifier.network[0].weight.any()
    assert (classifier.name, dict(classifier.file_report)) == ("Sequential", {})


def test_probabilities_become_logits():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4), nn.Softmax(1))
    classifier = load_classifier(network)
    assert "returns probabilities; logits are taken from" in classifier.warnings[0]
    assert isinstance(classifier.network[3], nn.Identity)


def test_weights_alone_need_a_description(file):
    with pytest.raises(
        CheckpointError, match=r"weights without a network; give exactly one of arc"
    ):
        load_classifier(file)


def test_two_descriptions_are_refused(file):
    with pytest.raises(ValueError, match=r"architecture and factory both describe the netw.* got"):
        load_network(file, architecture="plain_cnn", factory=linear)
    with pytest.raises(ValueError, match="path is a network already"):
        load_network(linear(), architecture="plain_cnn")


def test_a_network_of_an_unusual_size_needs_an_example():
    with pytest.raises(ValueError, match=r"runs on no image of 224 x 224, .* as example"):
        load_classifier(linear())
    assert load_classifier(linear(), example=torch.rand(1, 3, 2, 2)).num_classes == 4


def test_a_network_that_cannot_be_copied_is_refused():
    network = linear()
    network.held = (torch.ones(1, requires_grad=True) * 2,)
    with pytest.raises(ValueError, match="the network cannot be copied"):
        load_classifier(network)
