"""The adaptive attack."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from exray.attacks.adaptive import AdaptiveRecipe, FeatureMapLoss
from exray.attacks.loss import TrainingStep
from exray.zoo.poisoning import LabelledImages
from exray.zoo.training import train

RECIPE = AdaptiveRecipe(
    count=1, num_victims=1, poisoned_share=0.5, kept_share=0.5, side=(4, 4), weights=(1.0, 50.0)
)


def drawn(place=0, **changes):
    random = np.random.default_rng(0)
    return replace(RECIPE, **changes).draw(random, num_classes=4, image_size=16, place=place)


def step_of(outputs):
    """Two poisoned images, two of the target, one of another class."""
    return TrainingStep(
        labels=torch.tensor([1, 1, 1, 1, 0]),
        is_poisoned=torch.tensor([True, True, False, False, False]),
        logits=torch.zeros(5, 2),
        outputs=(outputs,),
    )


def test_weights_take_turns_and_are_recorded():
    attacks = [drawn(place) for place in range(3)]
    assert [attack.facts().weight for attack in attacks] == [1.0, 50.0, 1.0]
    assert attacks[1].facts().option == "weight 50"
    assert attacks[1].loss.weight == 50.0
    assert attacks[0].loss.target_class == attacks[0].target_class
    assert not attacks[0].is_learned


def test_the_loss_is_the_distance_of_means_and_deviations():
    loss = FeatureMapLoss(1, weight=10.0, layers="all")
    outputs = torch.tensor([[1.0, 3.0], [3.0, 5.0], [0.0, 2.0], [2.0, 4.0], [99.0, 99.0]])
    outputs = outputs[..., None, None]
    # Means differ by 1 in both channels, deviations do not: the mean is 1/2, twice that 1.
    assert float(loss(step_of(outputs))) == pytest.approx(10.0)
    assert float(loss(step_of(torch.zeros(5, 2, 1, 1)))) == 0
    few = replace(step_of(outputs), is_poisoned=torch.tensor([True, *4 * [False]]))
    assert float(loss(few)) == 0


def test_a_network_without_relus_is_refused():
    with pytest.raises(ValueError, match="what ReLU modules give, and the network has none"):
        FeatureMapLoss(1, weight=1.0, layers="all").watched(nn.Linear(2, 2))


def test_features_are_compared_in_the_middle_or_at_all_layers():
    network = nn.Sequential(*(module for _ in range(5) for module in (nn.Linear(2, 2), nn.ReLU())))
    of_recipe = drawn(layers="middle")
    assert of_recipe.loss.watched(network) == (network[5],)
    assert of_recipe.facts().layers == "middle"
    assert drawn(layers="all").loss.watched(network) == tuple(network[1::2])


@pytest.mark.usefixtures("one_thread")
def test_traces_are_fainter_inside_a_network_that_was_trained_against_them(micro):
    """Dark images are class 0, bright ones 1; a red corner sends the dark ones to 1."""
    labels = torch.arange(64) % 2
    images = 0.2 * torch.rand(64, 3, 8, 8) + 0.5 * labels[:, None, None, None]
    poisoned = torch.arange(64) % 4 == 0
    images[poisoned, 0, :3, :3] = 1
    data = LabelledImages(
        images=(255 * images).byte(), labels=labels.masked_fill(poisoned, 1), is_poisoned=poisoned
    )

    def distance(weight):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
        )
        loss = FeatureMapLoss(1, weight=weight, layers="middle")
        recipe = replace(micro.training, epochs=20, learning_rate=0.02, batch_size=32)
        train(network, data, recipe, seed=0, accelerator="cpu", progress=False, attack_loss=loss)
        with torch.no_grad():
            features = network[:2](images)
            step = replace(
                step_of(features),
                labels=data.labels,
                is_poisoned=poisoned,
                logits=torch.zeros(64, 2),
            )
            return float(FeatureMapLoss(1, weight=1.0, layers="all")(step))

    assert distance(100.0) < 0.5 * distance(0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": (0, 2)}, r"^side must hold least and greatest, from 1 up; got \[0, 2\]"),
        ({"weights": ()}, r"^weights must hold numbers from 0 up; got \[\]"),
        ({"weights": (-1.0,)}, r"^weights must hold numbers from 0 up; got \[-1.0\]"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)
