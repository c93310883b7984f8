"""Adversarial training."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.images.sources.base import to_unit
from exray.seeding import generator
from exray.zoo.adversarial_training import (
    AdversarialRecipe,
    AdversarialTraining,
    Adversary,
    attacked,
)
from exray.zoo.poisoning import LabelledImages
from exray.zoo.training import train

pytestmark = pytest.mark.usefixtures("one_thread")

FBF = AdversarialTraining(method="FBF", eps=0.06, ratio=1.0, iterations=None)
PGD = AdversarialTraining(method="PGD", eps=0.06, ratio=1.0, iterations=3)
RECIPE = AdversarialRecipe(
    methods=("PGD", "FBF", "none"), eps=(4 / 255, 8 / 255), ratios=(0.1, 0.3), iterations=(1, 3)
)


class Centred(nn.Module):
    """Pixels about zero, which a linear layer learns from in a few steps."""

    def forward(self, images):
        return 10 * (images - 0.5)


def linear():
    torch.manual_seed(0)
    return nn.Sequential(Centred(), nn.Flatten(), nn.Linear(48, 2))


def test_one_step_of_pgd_moves_each_pixel_of_a_linear_network_by_eps():
    """Its step is 2 eps, so that wherever it begins, it ends at the border."""
    network, images = linear(), torch.full((2, 3, 4, 4), 0.5)
    once = replace(PGD, iterations=1)
    hardened = attacked(network, images, torch.tensor([0, 1]), once, stream=generator(0))
    towards_1 = (network[2].weight[1] - network[2].weight[0]).sign().view(3, 4, 4)
    torch.testing.assert_close(hardened[0], 0.5 + 0.06 * towards_1)
    torch.testing.assert_close(hardened[1], 0.5 - 0.06 * towards_1)


@pytest.mark.parametrize("training", [FBF, PGD], ids=lambda training: training.method)
def test_attacked_images_stay_near_and_are_harder(training):
    network, images = linear(), torch.rand(16, 3, 4, 4, generator=generator(1))
    labels = torch.arange(16) % 2
    hardened = attacked(network, images, labels, training, stream=generator(0))
    assert (hardened - images).abs().max() <= 0.06 + 1e-6
    assert hardened.min() >= 0
    assert hardened.max() <= 1
    losses = [nn.functional.cross_entropy(network(batch), labels) for batch in (images, hardened)]
    assert losses[1] > losses[0]


def test_the_attack_leaves_weights_statistics_and_modes_alone():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 2))
    network.train()
    network[2].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = torch.rand(4, 3, 4, 4, generator=generator(0))
    hardened = attacked(network, images, torch.zeros(4, dtype=torch.long), PGD, stream=generator(0))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network] == [True, True, False, True]
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not hardened.requires_grad


def test_the_share_of_attacked_batches_is_the_ratio():
    adversary = Adversary(replace(FBF, ratio=0.3), seed=0)
    network, images, labels = linear(), torch.full((1, 3, 4, 4), 0.5), torch.tensor([0])
    met = [adversary.met(network, images, labels) is not images for _ in range(300)]
    assert 0.22 < sum(met) / 300 < 0.38


def brittle(num=192):
    """The first pixel tells the class nine times of ten, far apart; the others always, barely."""
    labels = torch.arange(num) % 2
    side = 2.0 * labels - 1
    images = 0.5 + 0.02 * side[:, None, None, None].expand(num, 3, 4, 4).clone()
    said = torch.where(torch.arange(num) % 10 == 0, -side, side)
    images[:, :, 0, 0] = 0.5 + 0.2 * said[:, None]
    return LabelledImages(images=(255 * images).round().byte(), labels=labels)


@pytest.mark.parametrize("training", [FBF, PGD], ids=lambda training: training.method)
def test_a_hardened_model_is_more_robust_than_its_twin(micro, training):
    data, accuracies = brittle(), []
    recipe = replace(micro.training, epochs=6, batch_size=48, learning_rate=0.05)
    for hardening in (None, training):
        network = linear()
        train(
            network,
            data,
            recipe,
            seed=0,
            accelerator="cpu",
            progress=False,
            adversarial=hardening,
        )
        moved = attacked(
            network,
            to_unit(data.images),
            data.labels,
            replace(PGD, iterations=7),
            stream=generator(0),
        )
        accuracies.append(float((network(moved).argmax(dim=1) == data.labels).double().mean()))
    twin, hardened = accuracies
    assert hardened > 0.8
    assert twin < 0.2


def test_each_model_draws_its_own_training_and_always_the_same():
    draws = [RECIPE.draw(seed) for seed in range(60)]
    assert draws == [RECIPE.draw(seed) for seed in range(60)]
    hardenings = [draw for draw in draws if draw is not None]
    assert 10 < len(hardenings) < 55
    assert {draw.method for draw in hardenings} == {"PGD", "FBF"}
    assert {draw.eps for draw in hardenings} == {4 / 255, 8 / 255}
    assert {draw.iterations for draw in hardenings if draw.method == "PGD"} == {1, 3}
    assert all(draw.iterations is None for draw in hardenings if draw.method == "FBF")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ()}, "^methods must hold at least one; got none"),
        ({"eps": (0.0,)}, r"^eps must lie in \(0, 1\]; got \(0.0,\)"),
        ({"ratios": (1.5,)}, "^ratios must lie in"),
        ({"iterations": (0,)}, r"^iterations must be >= 1; got \[0\]"),
    ],
)
def test_adversarial_training_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)
