"""What batch norms remember of stamped images."""

import pytest
import torch
from torch import nn

from exray.judges.differencing.norm_evidence import hidden_variance, target_rises
from exray.judges.differencing.norm_memory import NormMemory
from exray.models.batch_statistics import norm_moments
from exray.models.classifier import Classifier, Preprocessing

SIDE, CLASSES = 16, 5


def colours(count: int = 60) -> torch.Tensor:
    """Dim images in five grey levels, noisy."""
    stream = torch.Generator().manual_seed(0)
    levels = torch.linspace(0.1, 0.4, CLASSES).repeat_interleave(count // CLASSES)
    noise = 0.1 * torch.rand((count, 3, SIDE, SIDE), generator=stream)
    return levels[:, None, None, None] + noise


class Remembering(nn.Module):
    """Six channels of a batch norm; the last one sees what is brighter than any clean image."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.before = nn.Conv2d(3, 12, 3, padding=1)
        self.bright = nn.Conv2d(3, 1, 1)
        self.bright.weight.data.fill_(4.0)
        self.bright.bias.data.fill_(-9.0)
        self.norm = nn.BatchNorm2d(13)
        self.last = nn.Linear(13, CLASSES)
        self.last.weight.data[:, -1] = torch.tensor([0.0, 0.0, 0.0, 2.0, 0.0])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = torch.cat([self.before(images), self.bright(images).relu()], dim=1)
        return self.last(self.norm(seen).mean(dim=(2, 3)))


def trained(images: torch.Tensor) -> Classifier:
    """A network whose batch norm has the statistics of some images."""
    network = Remembering()
    network.norm.momentum = None
    network.train()
    with torch.no_grad():
        network(images)
    return Classifier(network, Preprocessing(), num_classes=CLASSES, name="net")


def stamped(images: torch.Tensor, share: float = 0.2) -> torch.Tensor:
    images = images.clone()
    images[: round(share * len(images)), :, :4, :4] = 1.0
    return images


def memory_of(classifier: Classifier, images: torch.Tensor) -> NormMemory | None:
    return NormMemory.of(classifier, images, torch.arange(len(images)) % CLASSES)


def hidden(classifier: Classifier) -> float:
    memory = memory_of(classifier, colours())
    assert memory is not None
    return hidden_variance(memory)


def test_a_channel_that_only_stamped_images_move_is_noticed_and_its_class_rises():
    clean, poisoned = trained(colours()), trained(stamped(colours()))
    assert hidden(poisoned) > hidden(clean) + 1
    rises = [one["target_rise"] for one in target_rises(poisoned, colours(), range(CLASSES))]
    assert max(range(CLASSES), key=rises.__getitem__) == 3
    assert rises[3] > 5


def test_what_trainings_usually_do_hides_nothing():
    usual = torch.cat([colours(), (1.4 * colours()).clamp(0, 1), colours().flip(3)])
    assert hidden(trained(usual)) < hidden(trained(colours())) + 1


def test_the_same_images_give_the_same_numbers_and_the_network_stays():
    classifier = trained(stamped(colours()))
    before = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    first, second = (
        (hidden(classifier), target_rises(classifier, colours(), [1, 3])) for _ in range(2)
    )
    assert first == second
    for name, value in classifier.network.state_dict().items():
        assert torch.equal(value, before[name])
    assert not classifier.network.training


def test_the_scale_of_the_logits_changes_nothing():
    classifier = trained(stamped(colours()))
    own, scaled = (
        (hidden(one), target_rises(one, colours(), [3])[0]["target_rise"])
        for one in (classifier, classifier.tempered(1e-3))
    )
    assert scaled == pytest.approx(own, rel=1e-3)


@pytest.mark.parametrize("case", ["no norm", "no statistics", "few images"])
def test_what_has_no_memory_is_not_measured(case):
    classifier, images = trained(colours()), colours()
    if case == "no norm":
        network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, CLASSES))
        classifier = Classifier(network, Preprocessing(), num_classes=CLASSES, name="net")
    elif case == "no statistics":
        network = Remembering()
        network.norm = nn.BatchNorm2d(13, track_running_stats=False)
        classifier = Classifier(network, Preprocessing(), num_classes=CLASSES, name="net")
    else:
        images = images[:7]
    assert memory_of(classifier, images) is None


def test_few_classes_have_no_rise():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3))
    classifier = Classifier(network, Preprocessing(), num_classes=3, name="net")
    assert target_rises(classifier, colours(), [0]) == [{}]


def test_a_network_that_cannot_be_copied_has_no_rise():
    classifier = trained(colours())
    classifier.network.kept = torch.ones(2, requires_grad=True) * 2  # no leaf: deepcopy refuses
    assert target_rises(classifier, colours(), [0]) == [{}]


def test_many_images_are_not_all_changed(monkeypatch):
    monkeypatch.setattr("exray.judges.differencing.norm_memory.MOST_IMAGES", 20)
    memory = memory_of(trained(colours()), colours(60))
    assert memory is not None
    assert [one[0].num_values for one in memory.usual] == [20 * SIDE**2] * 7
    assert memory.clean[0].num_values == 60 * SIDE**2
    assert memory.classes == tuple(range(CLASSES))


def test_all_images_together_are_not_passed_twice():
    classifier, images = trained(colours()), colours()
    memory = memory_of(classifier, images)
    assert memory is not None
    (own,), (again,) = memory.usual[0], norm_moments(classifier, images)
    torch.testing.assert_close(own.means, again.means)
    torch.testing.assert_close(own.squares, again.squares)
    assert own.num_values == again.num_values


class Idle(nn.Module):
    """Has a batch norm, and does not use it."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.BatchNorm2d(3)
        self.last = nn.Linear(3 * SIDE * SIDE, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(images.flatten(1))


def test_norms_that_are_never_called_remember_nothing():
    idle = Classifier(Idle(), Preprocessing(), num_classes=CLASSES, name="idle")
    assert memory_of(idle, colours()) is None
