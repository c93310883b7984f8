"""A classifier is checked, made differentiable and tempered before a scan sees it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.pipeline.preparation import STRAIGHT_THROUGH, prepare
from exray.pipeline.preprocessing_trials import Trial
from exray.pipeline.setting_change import SettingChange
from exray.pipeline.settings import ScanSettings

SETTINGS = ScanSettings(
    min_clean_accuracy=0.5,
    min_class_accuracy=0.5,
    min_images_per_class=3,
    samples_per_class=4,
    misclassified="drop",
    probability_without_triggers=0.1,
    temperature="fitted",
)


class After(nn.Module):
    """A network behind a step."""

    def __init__(self, network, step):
        super().__init__()
        self.network, self.step = network, step

    def forward(self, images):
        return self.network(self.step(images))


@pytest.fixture
def behind(trojaned):
    def make(step):
        network = After(trojaned.network, step)
        return Classifier(network, Preprocessing(), num_classes=3, name="behind")

    return make


def test_the_scan_sees_the_network_tempered(trojaned, colour_samples):
    prepared = prepare(trojaned, colour_samples, SETTINGS)
    assert prepared.classifier.network is trojaned.network
    assert prepared.classifier.temperature == prepared.selection.temperature != 1
    assert prepared.selection.remarks == ()


def test_rounded_input_gets_a_gradient_and_a_remark(behind, colour_samples):
    rounded = behind(lambda images: (images * 255).round() / 255)
    prepared = prepare(rounded, colour_samples, SETTINGS)
    assert prepared.selection.remarks == (STRAIGHT_THROUGH,)
    leaf = colour_samples.images.clone().requires_grad_()
    gradient = torch.autograd.grad(prepared.classifier(leaf)[:, 0].sum(), leaf)[0]
    assert gradient.abs().sum() > 0


def test_without_any_gradient_nothing_is_scanned(behind, colour_samples):
    blind = behind(lambda images: torch.from_numpy(images.detach().numpy().copy()))
    prepared = prepare(blind, colour_samples, SETTINGS)
    assert prepared.selection.samples is None
    assert prepared.selection.inconclusive.startswith("the network gives no gradient")
    assert prepared.selection.temperature == prepared.classifier.temperature == 1


def test_what_the_selection_refuses_is_left_as_it_is(behind, colour_samples):
    random = behind(lambda images: images + 0.2 * torch.randn_like(images))
    prepared = prepare(random, colour_samples, SETTINGS)
    assert prepared.classifier is random
    assert "random in eval mode" in prepared.selection.inconclusive


def test_where_classes_are_mostly_wrong_a_better_way_to_read_the_images_is_said(
    trojaned, colour_samples, monkeypatch
):
    trojaned.network.linear.bias.data[2] -= 100  # blue is never said
    prepared = prepare(trojaned, colour_samples, SETTINGS)
    assert prepared.selection.is_doubtful
    assert (prepared.selection.samples is None, prepared.selection.trials) == (False, ())
    mended = Trial(
        changes=(SettingChange(name="scaling", value="byte"),),
        accuracy=1.0,
        num_images=18,
        confidence=0.0,
        preprocessing=Preprocessing(scaling="byte"),
    )
    as_read = replace(mended, changes=(), accuracy=2 / 3)
    monkeypatch.setattr(
        "exray.pipeline.preparation.preprocessing_trials", lambda *_, **__: (mended, as_read)
    )
    selection = prepare(trojaned, colour_samples, SETTINGS).selection
    assert selection.remarks[0].startswith(
        "clean accuracy is 0.67, and with scaling byte it is 1.00 on 18 images: add --scaling byte"
    )
    assert selection.trials == (mended, as_read)
