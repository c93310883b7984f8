"""Fine-tuning: its settings, the modes of the network's parts, and what a constraint may do."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.repair.fine_tuning import WeightConstraint, fine_tune, fine_tuned
from exray.repair.trainable import trainable_copy

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def normed():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.9), nn.Flatten(),
        nn.Linear(4 * 14 * 14, 3),
    )  # fmt: skip
    return Classifier(network, Preprocessing(mean=(0.5,), std=(0.5,)), num_classes=3, name="net")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, "epochs and batch_size must be >= 1; got 0 and 6"),
        ({"learning_rate": 0.0}, "learning_rate must be > 0 and weight_decay >= 0; got 0.0 and"),
        ({"stamped_share": 1.1}, r"stamped_share must lie in \[0, 1\]; got 1.1"),
        ({"distilled_share": -0.1}, r"distilled_share must lie in \[0, 1\]; got -0.1"),
    ],
)
def test_a_value_out_of_range_is_refused(fine_tuning, change, said):
    with pytest.raises(ValueError, match=said):
        replace(fine_tuning, **change)


@pytest.mark.parametrize("statistics", ["learned", "frozen"])
def test_batch_statistics_are_learned_or_stay(fine_tuning, normed, colour_samples, statistics):
    short = replace(fine_tuning, epochs=1, learning_rate=0.01, batch_statistics=statistics)
    norm = fine_tuned(normed, colour_samples, [], short, seed=0).network[1]
    stayed = torch.equal(norm.running_mean, torch.zeros(4))
    assert stayed == (statistics == "frozen")


def test_dropout_stays_off(fine_tuning, normed, colour_samples):
    modes = []
    network = trainable_copy(normed, colour_samples.images, colour_samples.labels)
    network[3].register_forward_hook(lambda module, *_: modes.append(module.training))
    short = replace(fine_tuning, epochs=2, learning_rate=0.01)
    fine_tune(network, normed, colour_samples, [], short, seed=0)
    assert modes
    assert not any(modes)
    assert not any(module.training for module in network.modules())


class FirstWeightsStay(WeightConstraint):
    """Holds the first layer at 1 and pulls the last one to 0."""

    def penalty(self, network):
        return 100 * (network[5].weight ** 2).sum()

    def enforce(self, network):
        with torch.no_grad():
            network[0].weight.fill_(1.0)


def test_a_constraint_adds_to_the_loss_and_is_enforced(fine_tuning, normed, colour_samples):
    network = trainable_copy(normed, colour_samples.images, colour_samples.labels)
    norm_before = float(network[5].weight.detach().norm())
    short = replace(fine_tuning, learning_rate=0.001)
    fine_tune(network, normed, colour_samples, [], short, seed=0, constraint=FirstWeightsStay())
    assert (network[0].weight == 1).all()
    assert float(network[5].weight.detach().norm()) < 0.1 * norm_before


def test_distillation_learns_what_the_original_says_instead_of_wrong_labels(
    fine_tuning, trojaned, colour_samples
):
    wrong = replace(colour_samples, labels=(colour_samples.labels + 1) % 3)
    for share, least, most in ((0.0, 0.0, 0.5), (1.0, 1.0, 1.0)):
        settings = replace(fine_tuning, epochs=10, learning_rate=0.05, distilled_share=share)
        tuned = fine_tuned(trojaned, wrong, [], settings, seed=0)
        accuracy = tuned.accuracy(colour_samples.images, colour_samples.labels)
        assert least <= accuracy <= most, share
