"""How many of a training's images bore a trigger, as batch norms remember it."""

import numpy as np
import pytest
import torch
from torch import nn

from exray.images.samples import SampleSet
from exray.judges.differencing.norm_memory import NormMemory
from exray.judges.differencing.share_evidence import share_evidence
from exray.judges.differencing.stamped_share import stamped_evidence, stamped_part
from exray.models.classifier import Classifier, Preprocessing
from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import PatchTrigger

CLASSES, SIDE = 5, 8


class Seen(nn.Module):
    """A fixed random convolution, a batch norm and a last layer."""

    def __init__(self) -> None:
        super().__init__()
        stream = torch.Generator().manual_seed(0)
        self.before = nn.Conv2d(3, 24, 3)
        self.before.weight.data = torch.randn(self.before.weight.shape, generator=stream)
        self.norm = nn.BatchNorm2d(24)
        self.last = nn.Linear(24, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.before(images).relu()).mean(dim=(2, 3)))


def samples_of(counts, seed):
    """So many noisy images of each class, which is a grating of its own."""
    stream = torch.Generator().manual_seed(seed)
    labels = torch.arange(CLASSES).repeat_interleave(torch.tensor(counts))
    bases = torch.rand((CLASSES, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(9))
    images = 0.7 * bases[labels] + 0.2 * torch.rand((len(labels), 3, SIDE, SIDE), generator=stream)
    names = tuple("abcde")
    return SampleSet(images=images, labels=labels, class_names=names)


def patch(left: int, colour: float = 1.0) -> PatchTrigger:
    mask = torch.zeros(SIDE, SIDE)
    mask[:3, left : left + 3] = 1
    return PatchTrigger(mask=mask, pattern=torch.full((3, SIDE, SIDE), colour))


def trained_on(images) -> Classifier:
    """A classifier whose batch norm has the statistics of some images."""
    network = Seen()
    network.norm.momentum = None
    network.train()
    with torch.no_grad():
        network(images)
    return Classifier(network, Preprocessing(), num_classes=CLASSES, name="net")


def inverted(trigger, *, victim=0, target=4):
    return InvertedTrigger(
        victim_class=victim, target_class=target, trigger=trigger, asr=1.0, target_probability=1.0,
        source="patch",
    )  # fmt: skip


def said(images, triggers, samples=None):
    samples = samples or samples_of([12] * CLASSES, seed=1)
    classifier = trained_on(images)
    memory = NormMemory.of(classifier, samples.images, samples.labels)
    return stamped_evidence(memory, classifier, samples, triggers)


@pytest.mark.parametrize("is_universal", [False, True])
def test_the_trigger_that_was_trained_is_told_from_one_that_was_not(is_universal):
    training = samples_of([100] * CLASSES, seed=2)
    stamped = training.images[training.labels == 0][:60]
    if is_universal:
        stamped = training.images[training.labels != 4][::6]
    poisoned = torch.cat([training.images, patch(0).apply(stamped)])
    true, other = said(
        poisoned,
        [inverted(patch(place)) for place in (0, 5)],
    )
    expected = len(stamped) / len(poisoned)
    assert true["stamped_share"] == pytest.approx(expected, rel=0.25)
    assert true["stamped_gain"] > 0.8
    assert other["stamped_gain"] < 0.5 * true["stamped_gain"]


@pytest.mark.parametrize("counts", [[100] * 5, [20, 20, 20, 20, 300]])
def test_no_share_of_a_clean_training_is_the_triggers_even_with_uneven_classes(counts):
    (one,) = said(samples_of(counts, seed=2).images, [inverted(patch(0))])
    assert one["stamped_share"] < 0.01
    assert one["stamped_gain"] < 0.2


def test_what_a_training_usually_changes_is_no_share_of_a_trigger():
    training = samples_of([100] * CLASSES, seed=2).images
    usual = torch.cat([training, (1.3 * training).clamp(0, 1), training.flip(3)])
    (one,) = said(usual, [inverted(patch(0))])
    assert one["stamped_share"] < 0.02


def test_nothing_is_said_where_classes_have_no_image_or_are_few_or_many(monkeypatch):
    training = samples_of([50] * CLASSES, seed=2).images
    trigger = [inverted(patch(0), target=1)]
    assert said(training, trigger, samples_of([12, 12, 12, 0, 0], seed=1)) == [{}]
    assert said(training, trigger, samples_of([12, 12, 12, 12, 0], seed=1)) != [{}]
    monkeypatch.setattr("exray.judges.differencing.stamped_share._MOST_CLASSES", 4)
    assert said(training, trigger) == [{}]


def test_a_narrow_norm_does_not_tell_so_many_shares():
    narrow = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(128, 5))
    classifier = Classifier(narrow, Preprocessing(), num_classes=5, name="narrow")
    samples = samples_of([12] * CLASSES, seed=1)
    memory = NormMemory.of(classifier, samples.images, samples.labels)
    assert memory is not None
    assert stamped_evidence(memory, classifier, samples, [inverted(patch(0))]) == [{}]


def test_a_solver_that_does_not_converge_fails_no_scan(monkeypatch):
    def stuck(*_, **__):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr("exray.judges.differencing.stamped_share.nnls", stuck)
    assert said(samples_of([50] * 5, seed=2).images, [inverted(patch(0))]) == [{}]


def test_statistics_that_are_not_finite_fail_no_scan():
    samples = samples_of([12] * CLASSES, seed=1)
    classifier = trained_on(samples.images)
    classifier.network.norm.running_mean[3] = float("nan")
    memory = NormMemory.of(classifier, samples.images, samples.labels)
    assert memory is not None
    triggers = [inverted(patch(0))]
    assert stamped_evidence(memory, classifier, samples, triggers) == [{}]
    assert share_evidence(memory, CLASSES) == {}


def test_shares_are_told_from_what_is_free():
    stream = np.random.default_rng(0)
    classes, free, stamped = stream.random((30, 3)), stream.random((30, 2)), stream.random(30)
    stored = classes @ [0.3, 0.2, 0.4] + 0.1 * stamped - 0.5 * free[:, 0]
    share, gain = stamped_part(stored, classes, free, stamped[:, None])
    assert share == pytest.approx(0.1, abs=0.01)
    assert gain > 0.95
    less = stored - 0.1 * stamped
    none, nothing = stamped_part(less, classes, free, stamped[:, None])
    assert none == pytest.approx(0, abs=0.01)
    assert nothing < 0.9
