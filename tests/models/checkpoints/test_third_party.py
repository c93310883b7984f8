"""Seven classifiers trained by other people load and are as accurate as was measured."""

import csv
import os
from pathlib import Path

import pytest
import torch

from exray.images.folder import read_folder
from exray.models.architectures.factory import network_from_factory
from exray.models.checkpoints.reader import read_state
from exray.models.checkpoints.weights import load_state
from exray.models.classifier import Classifier, Preprocessing
from exray.models.outputs import LogitSource, probe_outputs, without_final_activation

REPOSITORY = Path(__file__).parents[3]
SHARED = REPOSITORY / os.environ.get("EXRAY_SHARED_DATA", "../shared/data")
THIRD_PARTY = SHARED / "third_party"
RAW = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
MODELS = (
    "cifar10_resnet20",
    "cifar10_resnet32",
    "cifar10_badnet",
    "cifar10_strip_clean",
    "cifar10_strip_trojaned",
    "gtsrb_six_conv_trojaned",
    "imagenet_mobilenet_v2",
)

pytestmark = pytest.mark.skipif(
    not THIRD_PARTY.is_dir(), reason=f"{THIRD_PARTY} is absent; set EXRAY_SHARED_DATA"
)


@pytest.fixture(autouse=True)
def fast_denormals():
    """Numbers next to zero count as zero: the de-quantised MobileNet is twice as fast."""
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


def truth():
    with (THIRD_PARTY / "truth.csv").open() as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def load(name):
    row = truth()[name]
    network = network_from_factory(f"{THIRD_PARTY}/factories.py:{row['factory']}")
    path = THIRD_PARTY / "models" / f"{name}.pt"
    load_state(network, read_state(path), path)
    return network.eval()


def test_every_model_of_the_truth_is_tested():
    assert sorted(truth()) == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_the_clean_accuracy_is_the_measured_one(name):
    row = truth()[name]
    preprocessing = RAW if row["factory"].endswith("_raw") else Preprocessing()
    network = load(name)
    folder = read_folder(
        THIRD_PARTY / "images" / row["images"],
        num_classes=1001 if "imagenet" in name else None,
        size=None,
        crop=None,
        limit_per_class=10 if "imagenet" in name else None,  # for the time it takes
    )
    samples = folder.samples
    facts = probe_outputs(network, preprocessing(samples.images[:2]))
    assert facts.num_classes == samples.num_classes
    network, _ = without_final_activation(network, preprocessing(samples.images[:2]))
    classifier = Classifier(network, preprocessing, num_classes=facts.num_classes, name=name)
    predicted = classifier.predict(samples.images, batch_size=20).argmax(dim=1)
    accuracy = float((predicted == samples.labels).double().mean())
    assert accuracy == pytest.approx(float(row["clean_accuracy"]), abs=0.05)


def test_only_the_badnet_has_its_softmax_taken_off():
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    sources = {
        name: without_final_activation(load(name), images)[1]
        for name in MODELS
        if "imagenet" not in name
    }
    removed = [name for name, source in sources.items() if source is LogitSource.SOFTMAX_REMOVED]
    assert removed == ["cifar10_badnet"]
    assert set(sources.values()) == {LogitSource.SOFTMAX_REMOVED, LogitSource.NETWORK}
