"""The bandit warms every arm up, plays the best, drops the hopeless and ends in time."""

from dataclasses import replace

import pytest
import torch

from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.k_arm.bandit import Arm, ArmSettings, Bandit

SETTINGS = ArmSettings(
    plays=40,
    plays_per_arm=1,
    warm_up=3,
    warm_up_improvements=2,
    epsilon=0.0,
    elimination=((4, 0.3), (8, 0.8)),
    backward_elimination=((4, 1.0),),
    stop_improvements=None,
)


class FakeInversion:
    """Candidates whose size falls by a fixed step per play from the play that first succeeds."""

    def __init__(self, *, asr, falls):
        self.candidates = tuple(Candidate(victims=(0,), target=t) for t in range(len(asr)))
        self.steps = torch.zeros(len(asr), dtype=torch.long)
        self.last_asr = torch.tensor(asr)
        self.best_score = torch.full((len(asr),), -torch.inf)
        self._falls = falls
        self.calls = []

    def run(self, steps, *, alive, images_per_step):
        assert (steps, images_per_step) == (1, 2)
        self.calls.append(list(alive))
        for place in alive:
            self.steps[place] += 1
            if self.last_asr[place] >= 0.99:
                size = 2000 - self._falls[place] * int(self.steps[place])
                self.best_score[place] = -size

    def trigger(self, place):
        raise NotImplementedError

    def failure_reason(self):
        return ""


def play(*, asr, falls=None, **changes):
    inversion = FakeInversion(asr=asr, falls=falls or [1.0] * len(asr))
    arms = [Arm(inversion, place, images_per_step=2, bound=1.0) for place in range(len(asr))]
    played = []
    bandit = Bandit(arms, replace(SETTINGS, **changes), area=224.0**2, seed=0)
    bandit.run(lambda: played.append(1))
    return inversion, bandit, len(played)


def test_the_arm_that_shrinks_fastest_gets_the_plays():
    inversion, _, played = play(asr=[1.0, 1.0, 1.0], falls=[1.0, 90.0, 5.0])
    assert played == 40
    assert int(inversion.steps.argmax()) == 1
    assert inversion.steps.tolist()[0] <= 4


def test_arms_that_never_succeed_are_dropped_and_the_game_ends():
    inversion, bandit, played = play(asr=[0.0, 0.5])
    assert inversion.steps.tolist() == [4, 8]
    assert bandit.live == []
    assert played == 12


def test_an_arm_below_the_bar_does_not_eat_the_budget_in_its_warm_up():
    inversion, _, _ = play(asr=[0.9, 1.0], elimination=())
    assert inversion.steps.tolist()[1] > inversion.steps.tolist()[0]


def test_cold_arms_are_played_together():
    inversion, _, _ = play(asr=[1.0, 1.0, 1.0])
    assert inversion.calls[0] == [0, 1, 2]


def test_many_arms_have_more_plays():
    _, _, played = play(asr=[1.0, 1.0, 1.0], plays_per_arm=20)
    assert played == 60


def test_no_more_plays_than_allowed():
    inversion, _, played = play(asr=[1.0, 1.0, 1.0], plays=4)
    assert played == int(inversion.steps.sum()) == 4


def test_the_best_arm_ends_the_game_once_it_has_shrunk_often_enough():
    inversion, bandit, played = play(asr=[1.0, 1.0], falls=[50.0, 1.0], stop_improvements=6)
    assert inversion.steps.tolist() == [7, 4]  # each play shrinks; the seventh is beyond six
    assert played == 11 < SETTINGS.plays
    assert len(bandit.live) == 2


def test_the_reverse_direction_is_hopeless_below_its_own_threshold():
    inversion = FakeInversion(asr=[0.9], falls=[1.0])
    arm = Arm(inversion, 0, images_per_step=2, bound=1.0)
    for _ in range(4):
        inversion.run(1, alive=[0], images_per_step=2)
        arm.record_play()
    assert arm.is_hopeless(SETTINGS.backward_elimination)
    assert not arm.is_hopeless(SETTINGS.elimination)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epsilon": 1.5}, r"epsilon must lie in \[0, 1\]; got 1.5"),
        ({"plays": 0}, "plays must be >= 1; got 0"),
        ({"plays_per_arm": 0}, "plays_per_arm must be >= 1; got 0"),
        ({"warm_up_improvements": 0}, "warm_up_improvements must be >= 1; got 0"),
        ({"stop_improvements": 0}, "stop_improvements must be >= 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **changes)
