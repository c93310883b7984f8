"""Every scanner at a size for tests, and a network whose backdoor lies in one place."""

from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier, Preprocessing
from exray.scanners.abs.filters import AbsFilterScanner
from exray.scanners.abs.patches import AbsPatchScanner, PatchSettings
from exray.scanners.abs.stimulation import StimulationSettings
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.filters import FilterSettings
from exray.scanners.inversion.initialization import ProbeSettings
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.objectives import CostSettings
from exray.scanners.inversion.prescreen import PrescreenSettings
from exray.scanners.inversion.rounds import InversionRound
from exray.scanners.k_arm.bandit import ArmSettings
from exray.scanners.k_arm.scanner import KArm
from exray.scanners.neural_cleanse.scanner import NeuralCleanse, OutlierRound
from exray.scanners.sri.polygons import Polygons
from exray.scanners.sri.shape import SearchSchedule
from exray.scanners.sri.sri_re import SriRe

SIZE = 16
SPOT = (slice(2, 8), slice(3, 9))  # where the backdoor looks
EVERYWHERE = (slice(None), slice(None))
ADAM = InversionSettings(learning_rate=0.3, betas=(0.9, 0.999), noise=0.0, seed=0)
STIMULATION = StimulationSettings(
    layer="relu", images_per_class=2, levels=(0.0, 1.0), targets_per_victim=2
)
PROBE = ProbeSettings(images=2, finalists=4, targets_per_victim=2)
STOP = StopRule(good_score=1.98, patience=5, gain=0.002)
COST = CostSettings(asr_bar=0.99, first_cost=0.02, first_patience=3, patience=3, up=2.0, down=2.0)


def abs_patches(bound=0.15, pattern="colour", restarts=1):
    return AbsPatchScanner(
        stimulation=STIMULATION,
        probe=PROBE,
        patch=PatchSettings(max_size_share=bound, pattern=pattern, neuron_weight=0.0),
        inversion=ADAM,
        rounds=[InversionRound(steps=15, images_per_victim=3, min_score=0.05, keep=2)],
        stop=STOP,
        min_asr=0.9,
        triggers_per_victim=2,
        restarts=restarts,
    )


def abs_free(bound=0.15):
    return abs_patches(bound, pattern="free")


def abs_filter(bound=0.25, restarts=1):
    """The bound is what the SSIM may lack of 1."""
    return AbsFilterScanner(
        stimulation=STIMULATION,
        filter=FilterSettings(min_ssim=1 - bound, window_share=0.3),
        inversion=replace(ADAM, learning_rate=0.1),
        universal_rounds=(),
        rounds=[InversionRound(steps=20, images_per_victim=3, min_score=0.5, keep=2)],
        stop=STOP,
        min_asr=0.9,
        triggers_per_victim=2,
        restarts=restarts,
    )


def neural_cleanse(kind="universal", threshold=2.0, restarts=1):
    return NeuralCleanse(
        layer="relu",
        kind=kind,
        cost=COST,
        inversion=replace(ADAM, betas=(0.5, 0.9)),
        steps=70,
        images_per_step=6,
        outliers=OutlierRound(steps=10, images_per_step=12),
        stop=StopRule(good_score=-1e9, patience=20, gain=0.5),
        anomaly_threshold=threshold,
        min_asr=0.9,
        restarts=restarts,
    )


def k_arm(bound=0.2, restarts=1):
    return KArm(
        layer="relu",
        prescreen=PrescreenSettings(share=0.0, targets_per_victim=2),
        universal=None,
        arms=ArmSettings(
            plays=60,
            plays_per_arm=1,
            warm_up=5,
            warm_up_improvements=2,
            epsilon=0.2,
            elimination=((10, 0.01), (20, 0.3)),
            backward_elimination=(),
            stop_improvements=None,
        ),
        probe=PROBE,
        cost=COST,
        inversion=replace(ADAM, betas=(0.5, 0.9)),
        images_per_step=3,
        max_size_share=bound,
        min_ratio=None,
        min_asr=0.9,
        restarts=restarts,
    )


def sri_re():
    return SriRe(
        shapes=[
            Polygons(
                schedule=SearchSchedule(
                    rounds=1, steps=61, images_per_class=3, learning_rate=0.03, betas=(0.5, 0.7)
                ),
                free_steps=10,
                size_weight=1.0,
                spread_weight=0.2,
                likeness_weight=2.0,
                scale=0.1,
                rotation=10.0,
                offset=0.1,
            )
        ],
        min_asr=0.9,
        triggers_per_victim=2,
        flag_threshold=2.5,
        reported_only=False,
        early_stopping=None,
        seed=0,
    )


SCANNERS = {
    make.__name__: make
    for make in (abs_patches, abs_free, abs_filter, neural_cleanse, k_arm, sri_re)
}


@pytest.fixture(scope="session", params=SCANNERS)
def name(request):
    """Of each scanner in turn."""
    return request.param


@pytest.fixture(scope="session")
def scanners():
    """What makes each scanner, by name."""
    return SCANNERS


def spotted(weight, spot=SPOT):
    """Classes are red, green and blue; brightness in the spot speaks for green where it weighs."""
    colours = nn.Conv2d(3, 4, 1)
    colours.weight.data = torch.cat([torch.eye(3), torch.full((1, 3), 5.0)])[..., None, None]
    colours.bias.data = torch.tensor([0.0, 0.0, 0.0, -5.0])
    speaks = torch.zeros(3, 4, SIZE, SIZE)
    for index in range(3):
        speaks[index, index] = 10 / SIZE**2
    speaks[1, 3][spot] = weight / SIZE**2
    linear = nn.Linear(4 * SIZE**2, 3)
    linear.weight.data = speaks.flatten(1)
    linear.bias.data.zero_()
    layers = OrderedDict(colours=colours, relu=nn.ReLU(), flatten=nn.Flatten(), linear=linear)
    return Classifier(nn.Sequential(layers), Preprocessing(), num_classes=3, name="spotted")


@pytest.fixture(scope="session")
def spot():
    """Rows and columns in which the backdoor looks."""
    return SPOT


@pytest.fixture
def constant():
    """Makes a network that answers every image with the same logits."""

    def answering(value):
        classifier = spotted(0.0)
        classifier.network.linear.weight.data.zero_()
        classifier.network.linear.bias.data.fill_(value)
        return classifier

    return answering


@pytest.fixture(scope="session")
def planted():
    """A backdoor that a scanner of this name can find: for a filter it looks everywhere."""
    patch, veil = spotted(40.0), spotted(20.0, EVERYWHERE)
    return lambda name: veil if name == "abs_filter" else patch


@pytest.fixture(scope="session")
def twin():
    return spotted(0.0)


@pytest.fixture(scope="session")
def colours():
    """Six images of each of the three colours, none bright."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(6)
    images = torch.full((18, 3, SIZE, SIZE), 0.1)
    images[torch.arange(18), labels] = 0.7
    images += 0.03 * (2 * torch.rand(images.shape, generator=stream) - 1)
    return SampleSet(images=images, labels=labels, class_names=("red", "green", "blue"))


@pytest.fixture(scope="session")
def parts():
    """ABS for patches and for filters, with the same stimulation."""
    shared = {
        "stimulation": STIMULATION,
        "inversion": replace(ADAM, learning_rate=0.1),
        "rounds": (InversionRound(steps=25, images_per_victim=6, min_score=0.5, keep=2),),
        "stop": STOP,
        "min_asr": 0.9,
        "triggers_per_victim": 1,
    }
    patch = PatchSettings(max_size_share=0.15, pattern="colour", neuron_weight=0.0)
    patches = AbsPatchScanner(probe=PROBE, patch=patch, **shared)
    filters = AbsFilterScanner(
        filter=FilterSettings(min_ssim=0.7, window_share=0.3), universal_rounds=(), **shared
    )
    return patches, filters
