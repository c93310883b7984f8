"""The classifier and what happens to images before its network."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing


def linear():
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 3))


def test_taking_a_network_over_freezes_it_and_changes_no_value():
    network = linear()
    before = [value.clone() for value in network.state_dict().values()]
    classifier = Classifier(network, Preprocessing(), num_classes=3, name="linear")
    assert classifier.network is network
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    after = network.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_batches_change_no_logit():
    classifier = Classifier(linear(), Preprocessing(), num_classes=3, name="linear")
    images = torch.rand(5, 3, 2, 2)
    whole = classifier(images)
    torch.testing.assert_close(classifier.predict(images, batch_size=2), whole)
    torch.testing.assert_close(classifier.module(images), whole)
    assert classifier.predict(images[:0]).shape == (0, 3)
    assert classifier.accuracy(images, whole.argmax(dim=1)) == 1
    assert classifier.accuracy(images, (whole.argmax(dim=1) + 1) % 3) == 0


def test_images_are_scaled_then_shifted_then_divided():
    images = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1)
    prepared = Preprocessing(scaling="byte", mean=(51.0, 52.0, 53.0), std=(1.0, 2.0, 4.0))(images)
    torch.testing.assert_close(prepared.flatten(), torch.tensor([0.0, 25.0, 25.0]))
    stretched = Preprocessing(scaling="min_max")(torch.cat([images, images / 2]))
    for image in stretched:
        torch.testing.assert_close(image.flatten(), torch.tensor([0.0, 0.5, 1.0]))
    assert torch.equal(Preprocessing()(images), images)


def test_channels_are_arranged_before_mean_and_std():
    images = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1)
    turned = Preprocessing(channels="bgr", mean=(0.6, 0.4, 0.2), scaling="unit")(images)
    torch.testing.assert_close(turned.flatten(), torch.zeros(3))
    grey = Preprocessing(channels="grey", scaling="byte")(images)
    torch.testing.assert_close(grey.flatten(), torch.tensor([255 * 0.363]))
    torch.testing.assert_close(Preprocessing(channels="grey")(images[:, :1]), images[:, :1])
    opaque = Preprocessing(channels="rgba", std=(1.0, 1.0, 1.0, 4.0))(images)
    torch.testing.assert_close(opaque.flatten(), torch.tensor([0.2, 0.4, 0.6, 0.25]))
    last = Preprocessing(layout="channels_last")(torch.zeros(2, 3, 4, 5))
    assert last.shape == (2, 4, 5, 3)


def test_another_preprocessing_is_put_before_the_same_network():
    classifier = Classifier(
        linear(), Preprocessing(), num_classes=3, name="linear", temperature=2.0
    )
    other = classifier.preprocessed(Preprocessing(channels="bgr"))
    images = torch.rand(5, 3, 2, 2)
    assert torch.equal(other(images), classifier(images.flip(1)))
    assert classifier.preprocessing == Preprocessing()


def test_a_flat_image_survives_stretching():
    flat = Preprocessing(scaling="min_max")(torch.full((1, 3, 2, 2), 0.5))
    assert torch.equal(flat, torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize("std", [(0.0,), (1.0, -1.0)])
def test_a_std_that_is_not_positive_is_refused(std):
    with pytest.raises(ValueError, match=r"std must hold positive numbers; got \["):
        Preprocessing(std=std)


def test_mean_and_std_of_different_length_are_refused():
    with pytest.raises(ValueError, match="must be as long; got 3 and 1 numbers"):
        Preprocessing(mean=(0.5, 0.5, 0.5), std=(1.0,))


def test_an_unknown_scaling_is_refused():
    broken = Preprocessing()
    object.__setattr__(broken, "scaling", "log")  # beartype, which users lack, would refuse it
    with pytest.raises(ValueError, match="must be one of unit, min_max, byte; got 'log'"):
        broken.__post_init__()
