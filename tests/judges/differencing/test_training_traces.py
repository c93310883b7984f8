"""Both kinds of traces together, as the judge stores them."""

import torch
from torch import nn

from exray.images.samples import SampleSet
from exray.judges.differencing.training_traces import training_traces
from exray.models.classifier import Classifier, Preprocessing
from exray.rules.calibration import TRACES


def test_each_target_has_what_last_layer_and_batch_norms_say_of_it():
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(20, 4))
    classifier = Classifier(network, Preprocessing(), num_classes=4, name="net")
    samples = SampleSet(
        images=torch.rand(12, 5, 2, 2),
        labels=torch.arange(4).repeat_interleave(3),
        class_names=("a", "b", "c", "d"),
    )
    first, last = training_traces(classifier, samples, [0, 3])
    assert set(first) == set(last) == set(TRACES)
    for name in ("heaviest_class", "hidden_variance", "greatest_share"):
        assert first[name] == last[name]
    for name in ("target_weight", "target_rise"):
        assert first[name] != last[name]
