"""Mistakes in reading images, planted in a trained network, and the setting that mends each."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.datasets.zoo import embedded_root, open_zoo
from exray.images.geometry import Geometry, ImageFiles
from exray.images.samples import SampleSet, default_class_names
from exray.models.classifier import Classifier, Preprocessing
from exray.pipeline.preparation import prepare
from exray.pipeline.preprocessing_trials import clear_winner, preprocessing_trials
from exray.presets.presets import component_named

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR = ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))


class Given(nn.Module):
    """A network that was trained on other inputs than images in [0, 1]."""

    def __init__(self, undo, network):
        super().__init__()
        self.undo = undo
        self.network = network

    def forward(self, images):
        return self.network(self.undo(images))


def normalised(mean, std):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    return lambda images: images * std + mean


@pytest.fixture(scope="module")
def signs():
    """A trained classifier of the embedded zoo with its images."""
    model = open_zoo(embedded_root("signs_mini")).load("id-00000002")
    return model.classifier.network, model.samples.limited(5)


@pytest.fixture
def settings():
    return component_named("scan", "default")


def classifier_of(network, num_classes=8):
    return Classifier(network, Preprocessing(), num_classes=num_classes, name="given")


PLANTED = {
    "BGR": (lambda x: x.flip(1), "--channels bgr"),
    "0 to 255": (lambda x: x / 255, "--scaling byte"),
    "BGR and 0 to 255": (lambda x: x.flip(1) / 255, "--scaling byte --channels bgr"),
    "[-1, 1]": (lambda x: x / 2 + 0.5, "--mean 0.5,0.5,0.5 --std 0.5,0.5,0.5"),
    "ImageNet": (normalised(*IMAGENET), "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_setting_that_mends_a_mistake_is_named_and_mends_it(signs, settings, mistake):
    network, samples = signs
    undo, flags = PLANTED[mistake]
    classifier = classifier_of(Given(undo, network))
    prepared = prepare(classifier, samples, settings)
    assert f"add {flags} (exray scan)" in prepared.selection.inconclusive
    assert "preprocessing=Preprocessing(" in prepared.selection.inconclusive
    winner = prepared.selection.trials[0]
    again = prepare(classifier.preprocessed(winner.preprocessing), samples, settings)
    assert again.selection.inconclusive == ""
    assert again.selection.accuracy == pytest.approx(winner.accuracy, abs=0.03)


def test_statistics_that_do_as_well_are_named_too(signs, settings):
    network, samples = signs
    prepared = prepare(classifier_of(Given(normalised(*CIFAR), network)), samples, settings)
    reason = prepared.selection.inconclusive
    assert "--mean 0.4" in reason
    assert "mean (0.4914,0.4822,0.4465), std (0.247,0.2435,0.2616)" in reason


def test_channels_last_are_found_where_a_network_takes_either(settings):
    _, samples = squares(9)
    templates = torch.stack([samples.of_class(index)[0] for index in range(9)])
    network = nn.Sequential(nn.Flatten(), nn.Linear(768, 9))
    network[1].weight.data = templates.permute(0, 2, 3, 1).flatten(1)
    network[1].bias.data = torch.zeros(9)
    selection = prepare(classifier_of(network, 9), samples, settings).selection
    assert "add --layout channels_last (exray scan)" in selection.inconclusive


def test_too_much_preprocessing_is_taken_off(signs, settings):
    network, samples = signs
    told = Preprocessing(mean=(0.9,) * 3, std=(0.1,) * 3)
    prepared = prepare(classifier_of(network).preprocessed(told), samples, settings)
    assert "add --mean none --std none (exray scan)" in prepared.selection.inconclusive
    assert "dataset.preprocess.mean=[] dataset.preprocess.std=[] (run.py)" in (
        prepared.selection.inconclusive
    )


def test_folders_counted_from_one_are_found_though_the_last_is_missing(signs, settings):
    network, samples = signs
    kept = samples.select(samples.labels < 7)
    shifted = replace(kept, labels=kept.labels + 1)
    selection = prepare(classifier_of(network), shifted, settings).selection
    assert "add --class-order one_based (exray scan), dataset.class_order=one_based (run.py)" in (
        selection.inconclusive
    )
    assert "Python" not in selection.inconclusive


def test_a_background_class_that_no_folder_holds_is_found(signs, settings):
    network, samples = signs

    class WithBackground(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            logits = self.network(images)
            return torch.cat([logits.amin(dim=1, keepdim=True) - 1, logits], dim=1)

    nine = replace(samples, class_names=(*samples.class_names, "ninth"))
    selection = prepare(classifier_of(WithBackground(), 9), nine, settings).selection
    assert "--class-order background_first" in selection.inconclusive


def squares(num_classes):
    """A network that knows each class by the place of a bright square."""
    images = torch.zeros(6 * num_classes, 3, 16, 16)
    labels = torch.arange(num_classes).repeat_interleave(6)
    for row, label in enumerate(labels.tolist()):
        top, left = 4 * (label // 4), 4 * (label % 4)
        images[row, :, top : top + 4, left : left + 4] = 0.5 + row % 6 / 20
    network = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(48, num_classes))
    places = torch.eye(16)[:num_classes].repeat(1, 3)
    network[2].weight.data, network[2].bias.data = 20 * places, torch.zeros(num_classes)
    names = default_class_names(num_classes)
    return network, SampleSet(images=images, labels=labels, class_names=names)


@pytest.mark.parametrize(
    ("first", "order"), [(0, "string"), (1, "one_based_string"), (1, "one_based")]
)
def test_folders_sorted_as_text_are_found(settings, first, order):
    network, samples = squares(12)
    names = sorted(map(str, range(first, 12 + first)), key=str if "string" in order else int)
    numbers = torch.tensor([int(name) for name in names])
    kept = numbers[samples.labels] < 12
    read = replace(samples.select(kept), labels=numbers[samples.labels][kept])
    selection = prepare(classifier_of(network, 12), read, settings).selection
    assert f"with class_order {order} it is 1.00" in selection.inconclusive


def test_classes_in_another_order_are_matched_with_predictions(settings):
    network, samples = squares(7)
    numbers = torch.tensor([3, 0, 6, 5, 1, 2, 4])  # of each class of the network
    read = replace(samples, labels=numbers[samples.labels])
    selection = prepare(classifier_of(network, 7), read, settings).selection
    assert "with the classes numbered otherwise it is 1.00" in selection.inconclusive
    assert '{"class 0": 1, "class 1": 4, "class 2": 5, "class 3": 0,' in selection.inconclusive
    assert selection.trials[0].to_dict()["classes"] == "1,4,5,0,6,3,2"


def test_classes_of_few_images_are_not_matched(settings):
    network, samples = squares(7)
    read = replace(samples, labels=6 - samples.labels).limited(3)
    selection = prepare(classifier_of(network, 7), read, settings).selection
    assert "numbered otherwise" not in selection.inconclusive


def test_batch_norms_without_their_images_statistics_are_found(signs, settings):
    _, samples = signs
    network = open_zoo(embedded_root("signs_mini")).load("id-00000002").classifier.network
    for index, module in enumerate(network.modules()):
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.mul_(1 + index % 3)
            module.running_var.mul_(0.05 + index % 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    selection = prepare(classifier_of(network), samples, settings).selection
    assert "--batch-statistics images" in selection.inconclusive
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("right", "flags"),
    [
        (Geometry(size=None, crop=None, interpolation="nearest"), None),
        (Geometry(size=16, crop=None, interpolation="nearest"), "--interpolation nearest"),
        (Geometry(size=18, crop=16, interpolation="bilinear"), "--size 18 --crop 16"),
    ],
)
def test_files_that_are_right_at_another_size_are_found(settings, right, flags):
    network, samples = squares(9)
    wrong = replace(samples, images=samples.images.flip(-1))

    def read(geometry):
        return samples if geometry == right else wrong

    files = ImageFiles(geometry=Geometry(size=16, crop=None, interpolation="bilinear"), read=read)
    selection = prepare(classifier_of(network, 9), wrong, settings, files=files).selection
    if flags is None:
        assert "numbered otherwise" in selection.inconclusive
    else:
        assert f"add {flags} (exray scan)" in selection.inconclusive


def test_where_nothing_helps_the_best_of_all_is_said(signs, settings):
    network, samples = signs
    stream = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(samples), generator=stream)
    selection = prepare(
        classifier_of(network), replace(samples, labels=samples.labels[rows]), settings
    ).selection
    assert "the preprocessing is probably wrong" in selection.inconclusive
    assert f"none of {len(selection.trials) - 1} other ways to read" in selection.inconclusive
    assert clear_winner(selection.trials, at_least=0.5) is None


def test_a_way_in_which_the_network_fails_is_left_out():
    network, samples = squares(5)

    def picky(images):
        assert images.max() <= 1
        return images

    wrong = replace(samples, labels=torch.zeros_like(samples.labels))
    trials = preprocessing_trials(classifier_of(Given(picky, network), 5), wrong)
    assert trials
    assert not any("scaling byte" in trial.text for trial in trials)


def test_trials_are_plain_values_best_first(signs):
    network, samples = signs
    classifier = classifier_of(Given(lambda x: x.flip(1), network))
    trials = preprocessing_trials(classifier, samples)
    assert trials[0].to_dict() == {
        "settings": "dataset.preprocess.channels=bgr",
        "accuracy": trials[0].accuracy,
        "num_images": len(samples),
    }
    assert next(trial for trial in trials if not trial.text).to_dict()["settings"] == ""
    ranks = [trial.rank for trial in trials]
    assert ranks == sorted(ranks, reverse=True)
