"""Both kinds of traces together, as the judge stores them."""

import torch
from torch import nn

from exray.images.samples import SampleSet
from exray.judges.differencing.training_traces import training_traces
from exray.models.classifier import Classifier, Preprocessing
from exray.rules.calibration import TRACES
from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import PatchTrigger


def trigger(victim: int, target: int) -> InvertedTrigger:
    mask = torch.zeros(4, 4)
    mask[0, 0] = 1
    patch = PatchTrigger(mask=mask, pattern=torch.ones(3, 4, 4))
    return InvertedTrigger(
        trigger=patch, victim_class=victim, target_class=target, asr=1.0, target_probability=1.0,
        source="patch",
    )  # fmt: skip


def samples() -> SampleSet:
    return SampleSet(
        images=torch.rand(12, 3, 4, 4, generator=torch.Generator().manual_seed(0)),
        labels=torch.arange(4).repeat_interleave(3),
        class_names=("a", "b", "c", "d"),
    )


def network_of(*norm: nn.Module) -> Classifier:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 9, 1), *norm, nn.Flatten(), nn.Linear(144, 4)
    return Classifier(nn.Sequential(*layers), Preprocessing(), num_classes=4, name="net")


def test_each_trigger_has_what_last_layer_and_batch_norms_say_of_it():
    triggers = [trigger(1, 0), trigger(0, 3), trigger(1, 3)]
    first, second, third = training_traces(network_of(nn.BatchNorm2d(9)), samples(), triggers)
    stored = {name for name in TRACES if name != "log_stamped_share"} | {"stamped_share"}
    assert set(first) == set(second) == set(third) == stored
    for name in ("heaviest_class", "hidden_variance", "greatest_share"):
        assert first[name] == second[name]
    for name in ("target_weight", "target_rise"):
        assert first[name] != second[name]
        assert second[name] == third[name]


def test_without_batch_norms_there_is_what_the_last_layer_says():
    (own,) = training_traces(network_of(), samples(), [trigger(1, 0)])
    assert set(own) == {"target_weight", "heaviest_class"}
