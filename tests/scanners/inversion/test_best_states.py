"""The best state of each candidate is kept, and a candidate without gain is finished."""

import pytest
import torch

from exray.scanners.inversion.best_states import BestStates, StopRule

STOP = StopRule(good_score=1.0, patience=2, gain=0.1)
ROWS = torch.arange(2)


def update(states, scores, value):
    states.update(ROWS, torch.tensor(scores), [torch.full((2, 1), value)], min_gain=STOP.gain)


def test_each_candidate_keeps_the_values_of_its_best_score():
    states = BestStates([torch.zeros(2, 1)])
    update(states, [0.5, 0.1], 1.0)
    update(states, [0.4, 0.2], 2.0)
    assert states.score.tolist() == pytest.approx([0.5, 0.2])
    assert states.values[0].flatten().tolist() == [1.0, 2.0]


def test_a_good_candidate_without_sufficient_gain_is_finished():
    states = BestStates([torch.zeros(2, 1)])
    for scores in ([1.5, 0.5], [1.55, 0.5], [1.55, 0.5]):
        update(states, scores, 0.0)
    assert states.is_finished(0, STOP)
    assert not states.is_finished(1, STOP)  # not good


def test_forgotten_scores_leave_their_peak():
    states = BestStates([torch.zeros(2, 1)])
    update(states, [0.5, 0.1], 1.0)
    states.forget_scores()
    assert states.score.tolist() == [-torch.inf] * 2
    assert states.peak_score.tolist() == pytest.approx([0.5, 0.1])


def test_only_candidates_with_a_state_are_restored():
    parameter = torch.zeros(2, 1)
    states = BestStates([parameter])
    update(states, [0.5, -torch.inf], 1.0)
    assert states.restore([parameter], [0, 1]).tolist() == [0]
    assert parameter.flatten().tolist() == [1.0, 0.0]


def test_a_patience_below_one_is_refused():
    with pytest.raises(ValueError, match="patience must be >= 1; got 0"):
        StopRule(good_score=1.0, patience=0, gain=0.0)
