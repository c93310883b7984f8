"""Fine-pruning cuts the channel that only a trigger wakes, and keeps it cut."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.repair.fine_pruning import FinePruning, last_convolution

pytestmark = pytest.mark.usefixtures("one_thread")
DETECTOR = 3


@pytest.fixture
def pruning(fine_tuning):
    return FinePruning(fine_tuning=fine_tuning, max_pruning_drop=0.0)


def test_the_detector_of_a_planted_backdoor_is_cut(
    pruning, trojaned, colour_samples, white_patch, asr_of
):
    repaired = pruning.repaired(trojaned, colour_samples, [white_patch], seed=0)
    weight = repaired.network.colours.weight.flatten(1)
    assert (weight == 0).all(dim=1).tolist() == [False, False, False, True]
    assert repaired.network.colours.bias[DETECTOR] == 0
    assert asr_of(repaired, white_patch, colour_samples) == 0
    assert repaired.accuracy(colour_samples.images, colour_samples.labels) == 1
    assert (trojaned.network.colours.weight[DETECTOR] == 5).all()


def test_a_batch_norm_behind_the_convolution_is_cut_with_it():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Flatten()
    ).eval()
    inputs = torch.rand(2, 3, 3, 3)
    last = last_convolution(network, inputs)
    assert (last.layer, last.norm) == (network[0], network[1])  # the other gives the logits
    activity = last.activity(network, inputs)
    assert torch.allclose(activity, network[:3](inputs).mean(dim=(0, 2, 3)))
    network[1].bias.data += 1
    last.cut(torch.tensor([2]))
    assert (network[:2](inputs)[:, 2] == 0).all()
    assert (network[:2](inputs)[:, 1] != 0).all()


def test_a_network_without_a_convolution_is_refused(pruning, colour_samples, white_patch):
    network = nn.Sequential(nn.Flatten(), nn.Linear(768, 3))
    classifier = Classifier(network, Preprocessing(), num_classes=3, name="linear")
    with pytest.raises(ValueError, match="needs a network with a convolution; use repair=unl"):
        pruning.repaired(classifier, colour_samples, [white_patch], seed=0)


def test_a_share_out_of_range_is_refused(fine_tuning):
    with pytest.raises(ValueError, match=r"max_pruning_drop must be a fraction in \[0, 1\]; got 2"):
        FinePruning(fine_tuning=fine_tuning, max_pruning_drop=2.0)
