"""Neural Cleanse on a planted backdoor, its clean twin, and where no index can be had."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.objectives import CostSettings
from exray.scanners.neural_cleanse.scanner import NeuralCleanse, OutlierRound

pytestmark = pytest.mark.usefixtures("one_thread")

COST = {
    "asr_bar": 0.99,
    "first_cost": 0.02,
    "first_patience": 3,
    "patience": 3,
    "up": 2.0,
    "down": 2.83,
}
PARTS = {
    "layer": "relu",
    "kind": "universal",
    "cost": CostSettings(**COST),
    "inversion": InversionSettings(learning_rate=0.2, betas=(0.5, 0.9), noise=0.0, seed=0),
    "steps": 120,
    "images_per_step": 6,
    "outliers": OutlierRound(steps=0, images_per_step=12),
    "stop": StopRule(good_score=-1e9, patience=40, gain=0.5),
    "anomaly_threshold": 2.0,
    "min_asr": 0.9,
}


def scan(classifier, samples, **changes):
    return NeuralCleanse(**{**PARTS, **changes}).scan(classifier, samples)


def sizes(classifier, samples, kind="universal"):
    """The size of every target's trigger: with no threshold all are outliers."""
    triggers = scan(classifier, samples, kind=kind, anomaly_threshold=-1e9, min_asr=0.5).triggers
    return {(t.victim_class, t.target_class): t.trigger.size_pixels for t in triggers}


def test_the_planted_target_is_the_outlier(trojaned, colour_samples):
    result = scan(trojaned, colour_samples)
    assert result.flags
    assert result.score > 2
    assert {trigger.target_class for trigger in result.triggers} == {1}
    for trigger in result.triggers:
        stamped = trigger.trigger.apply(colour_samples.of_class(trigger.victim_class))
        asr = (trojaned.predict(stamped).argmax(dim=1) == 1).double().mean()
        assert float(asr) == pytest.approx(trigger.asr)
        assert trigger.asr >= 0.9


def test_the_clean_twins_trigger_is_larger(trojaned, clean_twin, colour_samples):
    planted, clean = (
        sizes(classifier, colour_samples, "pairs") for classifier in (trojaned, clean_twin)
    )
    assert planted[0, 1] < 0.8 * clean[0, 1]
    assert planted[2, 1] < 0.8 * clean[2, 1]


def test_an_outlier_goes_on_with_more_images_and_the_verdict_stays(trojaned, colour_samples):
    few = scan(trojaned, colour_samples, images_per_step=2)
    going_on = OutlierRound(steps=60, images_per_step=99)
    more = scan(trojaned, colour_samples, images_per_step=2, outliers=going_on)
    assert (more.flags, more.score) == (few.flags, few.score)
    images = colour_samples.images[colour_samples.labels != 1]
    for trigger in more.triggers:
        answers = trojaned.predict(trigger.trigger.apply(images)).argmax(dim=1)
        assert (answers == 1).all()
    assert not torch.equal(few.triggers[0].trigger.mask, more.triggers[0].trigger.mask)


def test_steps_see_no_image_twice(trojaned, colour_samples):
    begun = []

    class Counted(NeuralCleanse):
        def start(self, *args):
            begun.append(super().start(*args))
            return begun[-1]

    Counted(**{**PARTS, "steps": 2, "images_per_step": 1000}).scan(trojaned, colour_samples)
    pools = [len(pool) for pool in begun[0].pools]
    assert begun[0].image_passes == 2 * len(pools) * max(pools)


def test_two_classes_are_inconclusive_rather_than_clean(trojaned, colour_samples):
    samples = colour_samples.select(colour_samples.labels != 0)
    result = scan(trojaned, samples)
    assert not result.flags
    assert "an anomaly index needs three triggers" in result.inconclusive


def test_a_network_next_to_constant_is_inconclusive_rather_than_clean(colour_samples):
    network = nn.Sequential()
    network.add_module("conv", nn.Conv2d(3, 2, 1))
    network.add_module("relu", nn.ReLU())
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", nn.Flatten())
    network.add_module("linear", nn.Linear(2, 3))
    network.linear.weight.data.fill_(1e-6)  # the images still differ by a hair
    network.linear.bias.data = torch.tensor([0.0, 1.0, 0.0])
    constant = Classifier(network, Preprocessing(), num_classes=3, name="constant")
    result = scan(constant, colour_samples, steps=5)
    assert "1 of 3 reached an ASR of 0.99" in result.inconclusive
    assert result.triggers == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be >= 1; got 0"),
        ({"images_per_step": 0}, "images_per_step must be >= 1; got 0"),
        ({"min_asr": 1.5}, r"min_asr must be a fraction in \(0, 1\]; got 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        NeuralCleanse(**{**PARTS, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": -1}, "steps must be >= 0; got -1"),
        ({"images_per_step": 0}, "images_per_step must be >= 1; got 0"),
    ],
)
def test_rounds_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        OutlierRound(**{"steps": 1, "images_per_step": 1, **changes})
