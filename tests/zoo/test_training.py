"""Training and its measures."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.zoo.poisoning import LabelledImages
from exray.zoo.training import class_accuracies, hit_rate, train
from exray.zoo.variations import Variation

pytestmark = pytest.mark.usefixtures("one_thread")


def brightness(num=48):
    """Dark images are class 0, bright ones class 1."""
    labels = torch.arange(num) % 2
    images = 0.3 * torch.rand(num, 3, 4, 4) + 0.6 * labels[:, None, None, None]
    return LabelledImages(images=(255 * images).byte(), labels=labels)


def network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2)
    )


def trained(recipe, data, seed=0):
    net = network()
    train(net, data, recipe, seed=seed, accelerator="cpu", progress=False)
    return net


def test_a_trivial_task_is_learned(micro):
    recipe = replace(micro.training, epochs=12, learning_rate=0.02)
    net = trained(recipe, brightness())
    assert not net.training
    assert hit_rate(net, brightness()) == 1
    assert class_accuracies(net, brightness()) == [1, 1]


def test_the_same_seed_gives_the_same_weights_dropout_included(micro):
    data, recipe = brightness(), replace(micro.training, epochs=2)
    one, same, other = (trained(recipe, data, seed)[1].weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_what_was_drawn_before_does_not_matter_and_the_stream_goes_on(micro):
    data, recipe = brightness(), replace(micro.training, epochs=1)
    one, other = network(), network()
    train(one, data, recipe, seed=0, accelerator="cpu", progress=False)
    torch.rand(5)
    before = torch.get_rng_state()
    train(other, data, recipe, seed=0, accelerator="cpu", progress=False)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one[1].weight, other[1].weight)


def test_the_memorys_layout_does_not_change_what_is_learned(micro):
    def convolutions():
        torch.manual_seed(1)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )

    recipe = replace(micro.training, epochs=2)
    networks = convolutions(), convolutions()
    for network, last in zip(networks, (False, True), strict=True):
        settings = replace(recipe, channels_last=last)
        train(network, brightness(), settings, seed=0, accelerator="cpu", progress=False)
    # Adam makes whole steps of gradients that are nothing but rounding.
    torch.testing.assert_close(networks[0][0].weight, networks[1][0].weight, atol=0.01, rtol=0)
    assert networks[1][0].weight.is_contiguous()


def test_label_smoothing_keeps_the_logits_apart_less(micro):
    recipe = replace(micro.training, epochs=12, learning_rate=0.02)
    margins = []
    for smoothing in (0.0, 0.3):
        net = network()
        train(
            net,
            brightness(),
            recipe,
            seed=0,
            accelerator="cpu",
            progress=False,
            variation=Variation(label_smoothing=smoothing),
        )
        logits = net(brightness().images.float() / 255)
        margins.append(float((logits[:, 0] - logits[:, 1]).abs().mean().detach()))
    assert margins[1] < margins[0]


def test_hits_are_counted_by_hand():
    class First(nn.Module):
        def forward(self, images):
            return torch.tensor([[1.0, 0.0]]).expand(len(images), 2)

    data = LabelledImages(
        images=torch.zeros(300, 3, 1, 1, dtype=torch.uint8),
        labels=(torch.arange(300) >= 225).long(),
    )
    assert hit_rate(First(), data) == 0.75
    assert class_accuracies(First(), data) == [1, 0]
