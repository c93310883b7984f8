"""The symmetric check plays the reverse direction only as long as that can change its answer."""

import torch

from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.k_arm.bandit import Arm
from exray.scanners.k_arm.symmetric_check import ScoredTrigger, SymmetricCheck
from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import PatchTrigger


class FakeInversion:
    """One candidate whose trigger has a fixed size from the first play on."""

    def __init__(self, victims, size, plays=0):
        self.candidates = (Candidate(victims=victims, target=1),)
        self.steps = torch.tensor([plays])
        self.last_asr = torch.tensor([1.0])
        self.best_score = torch.tensor([-size])

    def run(self, steps, *, alive, images_per_step):
        assert (alive, images_per_step) == ([0], 1)
        self.steps += steps

    def trigger(self, place):
        raise NotImplementedError

    def failure_reason(self):
        return ""


class FakeStarter:
    """Starts the one arm of a reverse direction."""

    def __init__(self, size):
        self.arm = arm(victims=(1,), size=size)
        self.pairs = []

    def pair_arms(self, pairs):
        self.pairs += pairs
        return [self.arm for _ in pairs]


def arm(victims, size, plays=0):
    return Arm(FakeInversion(victims, size, plays), 0, images_per_step=1, bound=100.0)


def scored(victims, size, plays):
    one = arm(victims, size, plays)
    one.size = size
    patch = PatchTrigger(mask=torch.ones(2, 2), pattern=torch.ones(3, 2, 2))
    trigger = InvertedTrigger(
        trigger=patch,
        victim_class=victims[0],
        target_class=1,
        asr=1.0,
        target_probability=1.0,
        source="test",
    )
    return ScoredTrigger(arm=one, trigger=trigger)


def check(min_ratio=10.0):
    return SymmetricCheck(min_ratio=min_ratio, elimination=((50, 1.0),))


def test_the_margin_is_the_bound_over_the_size():
    assert scored((0,), size=50.0, plays=1).margin == 2.0
    assert scored((0,), size=0.0, plays=1).margin == 100.0


def test_a_trigger_is_dropped_as_soon_as_its_reverse_is_small_enough():
    one, starter = scored((0,), size=10.0, plays=8), FakeStarter(size=90.0)
    assert check().passing([one], starter.pair_arms) == []
    assert starter.pairs == [(1, 0)]
    assert starter.arm.plays == 1


def test_a_trigger_passes_once_its_reverse_has_had_as_many_plays():
    one, starter = scored((0,), size=10.0, plays=8), FakeStarter(size=200.0)
    assert check().passing([one], starter.pair_arms) == [one]
    assert starter.arm.plays == 8


def test_universal_triggers_are_not_checked():
    one, starter = scored((0, 2), size=10.0, plays=8), FakeStarter(size=1.0)
    assert check().passing([one], starter.pair_arms) == [one]
    assert starter.pairs == []
