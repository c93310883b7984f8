"""Trainings with a rehearsal."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from exray.attacks.base import Rehearsal
from exray.images.sources.signs.classes import sign_classes
from exray.images.sources.signs.generator import SignGenerator
from exray.zoo.staged_training import trained
from exray.zoo.training_plan import planned

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass(frozen=True, kw_only=True)
class Remembered(Rehearsal):
    """Keeps what it was shown."""

    changes_trigger: ClassVar[bool] = False
    shown: list

    def learned(self, attack, network, source, *, count, seed):
        del source, seed
        self.shown.append((network, {k: v.clone() for k, v in network.state_dict().items()}, count))
        assert not network.training
        return replace(attack, rehearsal=None, condition="class")


@pytest.fixture
def source():
    return SignGenerator(sign_classes(3, family_size=1, seed=0), image_size=16)


def plan_with(micro, **changes):
    plan = planned(micro, 1, 0)
    values = {"is_poisoned": False, "epochs_share": 2.0, "second_epochs_share": 1.0}
    values |= {"num_trained_layers": None, "shown": []}
    rehearsal = Remembered(**{**values, **changes})
    return replace(plan, attacks=(replace(plan.attacks[0], rehearsal=rehearsal),)), rehearsal.shown


def test_the_attack_learns_from_a_network_of_its_own(micro, source):
    plan, shown = plan_with(micro)
    network, attacks = trained(plan, source, accelerator="cpu", progress=False)
    ((first, _, count),) = shown
    assert attacks[0].condition == "class"
    assert attacks[0].rehearsal is None
    assert count == 4
    assert first is not network


def test_the_second_training_goes_on_with_the_last_layers_alone(micro, source):
    plan, shown = plan_with(micro, num_trained_layers=1)
    network, _ = trained(plan, source, accelerator="cpu", progress=False)
    ((first, before, _),) = shown
    assert first is network
    after = network.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    last = list(dict(network.named_parameters()))[-2:]
    assert changed == set(last)
    assert all(weight.requires_grad for weight in network.parameters())


def test_an_attack_that_learns_is_the_only_one(micro, source):
    plan, _ = plan_with(micro)
    with pytest.raises(ValueError, match=r"^an attack with a rehearsal or a loss .*; got 2"):
        trained(replace(plan, attacks=2 * plan.attacks), source, accelerator="cpu", progress=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs_share": 0.0}, "^epochs_share must be positive; got 0.0"),
        ({"second_epochs_share": -1.0}, "^second_epochs_share must be positive; got -1.0"),
        ({"num_trained_layers": 0}, "^num_trained_layers must be >= 1, or null; got 0"),
    ],
)
def test_a_rehearsal_that_cannot_be_is_refused(micro, changes, message):
    with pytest.raises(ValueError, match=message):
        plan_with(micro, **changes)
