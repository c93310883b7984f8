"""From a distance to natural or injected."""

import math

import pytest

from exray.judges.baselines.distance_rule import DistanceRule


def test_a_distance_at_the_threshold_is_injected_with_a_score_of_one_half():
    judgement = DistanceRule(threshold=0.7).decide(0.7, "of all neurons", {"num_neurons": 4.0})
    assert (judgement.is_injected, judgement.score) == (True, 0.5)
    assert judgement.measurements == {"num_neurons": 4.0, "distance": 0.7}
    assert judgement.thresholds == {"distance": 0.7}


def test_the_score_ranks_triggers_alike_for_any_threshold():
    for threshold in (0.01, 1.0, 100.0):
        rule = DistanceRule(threshold=threshold)
        scores = [rule.decide(distance / 10, "").score for distance in range(50)]
        assert scores == sorted(set(scores))
        assert scores[0] == 0


@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(ValueError, match=r"threshold must be above 0; got"):
        DistanceRule(threshold=threshold)


def test_a_distance_just_under_the_threshold_is_natural_with_a_score_under_one_half():
    nearly = math.nextafter(0.7, 0)
    judgement = DistanceRule(threshold=0.7).decide(nearly, "of all neurons")
    assert not judgement.is_injected
    assert judgement.score < 0.5
