"""Batch norms with the statistics of images."""

import pytest
import torch
from torch import nn

from exray.models.batch_statistics import (
    has_batch_norms,
    norm_moments,
    stored_moments,
    variance_ratios,
    with_image_statistics,
)
from exray.models.classifier import Classifier, Preprocessing


def network_of(**options):
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, **options), nn.ReLU(), nn.Conv2d(4, 5, 3),
        nn.BatchNorm2d(5, **options), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"track_running_stats": False}, {"affine": False}])
def test_the_logits_in_eval_mode_become_those_of_training(options):
    network = network_of(**options)
    if network[1].running_mean is not None:
        network[1].running_mean += 7
    classifier = Classifier(
        network, Preprocessing(mean=(0.5,)), num_classes=5, name="small", temperature=2.0
    )
    images = torch.rand(40, 3, 6, 6)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other = with_image_statistics(classifier, images)
    assert not any(module.training for module in other.network.modules())
    whole = network.train()(images - 0.5) / 2
    torch.testing.assert_close(other(images), whole, rtol=0.05, atol=0.02)
    torch.testing.assert_close(other(images[:1]), other(images)[:1])  # no batch any more
    after = network.eval().state_dict()
    assert set(before) == set(after)


def test_a_network_without_batch_norms_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    classifier = Classifier(network, Preprocessing(), num_classes=2, name="linear")
    assert not has_batch_norms(network)
    with pytest.raises(ValueError, match="need a batch norm, and linear has none; leave them"):
        with_image_statistics(classifier, torch.rand(4, 3, 2, 2))


def test_variance_ratios_are_those_of_all_images_and_the_greatest_of_the_batches():
    network = network_of()
    network[1].running_var.copy_(torch.tensor([0.5, 1.0, 2.0, 9.0]))
    classifier = Classifier(network, Preprocessing(), num_classes=5, name="small")
    images = torch.rand(150, 3, 6, 6)  # more than are passed through at once
    batches = [norm_moments(classifier, one) for one in (images, 2 * images)]
    first, second = variance_ratios(stored_moments(classifier, images[:1]), batches)
    seen = network[0](2 * images).transpose(0, 1).flatten(1).var(dim=1)
    least = 0.02 * network[1].running_var.median()
    expected = ((network[1].running_var + least) / (seen + least)).log()
    torch.testing.assert_close(first, expected.detach(), atol=1e-4, rtol=1e-4)
    assert len(second) == 5
    assert not network[1]._forward_pre_hooks


def test_moments_are_those_of_what_enters_each_norm_by_group():
    network = network_of()
    network[1].running_mean += 3
    classifier = Classifier(network, Preprocessing(), num_classes=5, name="small")
    images = torch.rand(70, 3, 6, 6)  # more than are passed through at once
    groups = torch.arange(70) % 3
    first, second = norm_moments(classifier, images, groups)
    entering = network[0](images).detach().flatten(2)
    for group in range(3):
        members = entering[groups == group].transpose(0, 1).flatten(1)
        torch.testing.assert_close(first.means[group], members.mean(dim=1))
        torch.testing.assert_close(first.squares[group], members.square().mean(dim=1))
    assert (first.num_values, second.num_values) == (70 * 16, 70 * 4)
    (whole, _) = norm_moments(classifier, images)
    torch.testing.assert_close(whole.means, entering.mean(dim=(0, 2))[None])
    kept, _ = stored_moments(classifier, images[:1])
    assert kept.means.tolist() == [3.0] * 4
    network[1].running_mean += 1
    assert kept.means.tolist() == [3.0] * 4  # a copy


class Tokens(nn.Module):
    """Normalises an image's places as rows of their own, as LeViT does, and gives it by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = images.flatten(2).transpose(1, 2).flatten(0, 1)
        return self.norm(input=rows).reshape(len(images), -1)


def test_a_norm_that_sees_places_as_rows_sees_them_as_places():
    classifier = Classifier(Tokens(), Preprocessing(), num_classes=48, name="tokens")
    images, groups = torch.rand(10, 3, 4, 4), torch.arange(10) % 2
    (one,) = norm_moments(classifier, images, groups)
    for group in range(2):
        expected = images[groups == group].mean(dim=(0, 2, 3))
        torch.testing.assert_close(one.means[group], expected)
    assert one.num_values == 160


class Joined(nn.Module):
    """Normalises all images together with a row that is none of theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = torch.cat([images.mean(dim=(2, 3)), images.new_zeros(1, 3)])
        return self.norm(rows)[:-1]


def test_rows_that_belong_to_no_image_are_everyones():
    classifier = Classifier(Joined(), Preprocessing(), num_classes=3, name="joined")
    images = torch.rand(6, 3, 4, 4)
    (one,) = norm_moments(classifier, images, torch.arange(6) % 2)
    expected = images.mean(dim=(2, 3)).sum(dim=0) / 7
    torch.testing.assert_close(one.means, expected.expand(2, -1))
