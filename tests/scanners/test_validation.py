"""What no scanner can answer: a clear error or an inconclusive with its reason, never 'clean'."""

import numpy as np
import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.scanners.external import ExternalScanner

pytestmark = pytest.mark.usefixtures("one_thread")


class Fragile(nn.Module):
    """NaN for any image with a pixel brighter than the clean ones have."""

    def forward(self, images):
        brightest = images.amax(dim=(1, 2, 3), keepdim=True)
        return images + 0 * torch.sqrt(0.75 - brightest)


class Steep(nn.Module):
    """Certain of every answer, and flat: no gradient anywhere."""

    def forward(self, logits):
        return torch.clamp(1e4 * (logits - 4.0), -1, 1)


def around(twin, before=(), after=()):
    layers = nn.Sequential()
    for number, layer in enumerate(before):
        layers.add_module(f"before_{number}", layer)
    for name, layer in twin.network.named_children():
        layers.add_module(name, layer)
    for number, layer in enumerate(after):
        layers.add_module(f"after_{number}", layer)
    return Classifier(layers, Preprocessing(), num_classes=3, name="around")


def test_images_of_one_class_are_an_error(scanners, planted, colours, name):
    alone = colours.select(colours.labels == 2)
    with pytest.raises(ValueError, match="images of at least two classes; got images of 1"):
        scanners[name]().scan(planted(name), alone)


@pytest.mark.parametrize("value", [1.0, torch.nan])
def test_a_constant_network_is_inconclusive(scanners, constant, colours, name, value):
    result = scanners[name]().scan(constant(value), colours)
    assert "the classifier" in result.inconclusive
    assert not result.flags
    assert result.triggers == ()


def test_a_network_that_breaks_under_triggers_is_inconclusive(scanners, twin, colours, name):
    result = scanners[name]().scan(around(twin, before=[Fragile()]), colours)
    assert "NaN" in result.inconclusive
    assert not result.flags
    assert result.triggers == ()


def test_a_saturated_network_is_inconclusive(scanners, twin, colours, name):
    result = scanners[name]().scan(around(twin, after=[Steep()]), colours)
    assert "no gradient" in result.inconclusive
    assert "saturated" in result.inconclusive
    assert not result.flags


@pytest.mark.parametrize("bounded", ["abs_patches", "abs_free", "k_arm"])
def test_a_bound_of_no_pixel_or_of_every_pixel_is_an_error(scanners, planted, colours, bounded):
    make = scanners[bounded]
    for bound in (0.0, 1.0, 25.0):
        with pytest.raises(ValueError, match=rf"max_size_share must lie in \(0, 1\).*got {bound}"):
            make(bound)
    with pytest.raises(ValueError, match="leaves a trigger less than one of 16 x 16"):
        make(0.003).scan(planted(bounded), colours)


def test_a_file_of_triggers_clears_no_constant_network(tmp_path, constant, colours):
    file = tmp_path / "none.npz"
    np.savez(file, triggers=np.array('{"triggers": []}'))
    scanner = ExternalScanner(triggers=str(file), min_asr=0.9)
    result = scanner.scan(constant(0.0), colours)
    assert result.inconclusive == "the classifier answers every clean image alike"
