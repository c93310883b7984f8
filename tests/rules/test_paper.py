"""From measurements to natural or injected."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from exray.judges.differencing.exchange_quality import ExchangeQuality
from exray.judges.differencing.mask_measurements import quality_values
from exray.rules.base import CROSS
from exray.rules.paper import PaperRule

RULE = PaperRule(similarity_threshold=0.8, cross_threshold=0.7)
GRID = (0.0, 0.3, 0.69, 0.7, 0.700001, 0.8, 0.800001, 1.0)


def measured(similarity, cross, converged=(1.0, 1.0)):
    return {
        "similarity": similarity,
        **dict(zip(CROSS, cross, strict=True)),
        "converged_victim_target": converged[0],
        "converged_victim_stamped": converged[1],
    }


def test_natural_means_equation_five_or_equation_six_over_a_grid():
    for similarity, one, other in itertools.product(GRID, repeat=3):
        for cross in itertools.permutations((one, other, 1.0, 1.0)):
            natural = similarity > 0.8 or all(accuracy > 0.7 for accuracy in cross)
            judgement = RULE.decide(measured(similarity, cross))
            assert judgement.is_injected is not natural
            assert (judgement.score >= 0.5) == judgement.is_injected
            assert judgement.reason.startswith("natural" if natural else "injected")


@pytest.mark.parametrize("name", ["similarity", *CROSS])
def test_more_in_common_never_speaks_more_for_injected(name):
    for base in itertools.product((0.1, 0.75, 0.95), repeat=2):
        values = measured(base[0], (base[1],) * 4)
        scores = [
            RULE.decide({**values, name: step / 50}).score for step in range(51)
        ]  # fmt: skip
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


def test_nothing_in_common_scores_one_and_everything_zero():
    rule = PaperRule(similarity_threshold=0.8, cross_threshold=0.8)
    assert rule.decide(measured(0.0, (0.0,) * 4)).score == 1
    assert rule.decide(measured(1.0, (1.0,) * 4)).score == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("converged", "named"),
    [
        ((0.0, 1.0), "victim and target,"),
        ((1.0, 0.0), "victim and stamped,"),
        ((0.0, 0.0), "victim and target and victim and stamped,"),
    ],
)
def test_masks_that_did_not_converge_leave_it_injected_and_say_so(converged, named):
    judgement = RULE.decide(measured(1.0, (1.0,) * 4, converged))
    assert judgement.is_injected
    assert judgement.score == 0.5
    assert judgement.reason.startswith(f"injected by default: no mask exchanges {named}")


def test_the_reason_and_the_record_hold_the_numbers():
    values = measured(0.25, (0.5, 0.75, 1.0, 1.0))
    judgement = RULE.decide(values)
    assert "share 25% of the smaller one (threshold 80%)" in judgement.reason
    assert "50% of cases at worst (threshold 70%)" in judgement.reason
    assert judgement.measurements == values
    assert judgement.thresholds == {"similarity": 0.8, "cross_accuracy": 0.7}


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.5])
@pytest.mark.parametrize("name", ["similarity_threshold", "cross_threshold"])
def test_thresholds_outside_zero_and_one_are_refused(name, value):
    values = {"similarity_threshold": 0.8, "cross_threshold": 0.8, name: value}
    with pytest.raises(ValueError, match=rf"{name} must lie in \(0, 1\); got {value}"):
        PaperRule(**values)


def test_the_rule_reads_the_accuracies_that_the_judge_writes():
    quality = ExchangeQuality(accuracy=torch.zeros(2, 2), cross_entropy=torch.zeros(2, 2))
    assert set(quality_values("cross", quality, 0, 1)) > set(CROSS)


def test_without_the_additional_check_overlap_decides_alone():
    rule = PaperRule(similarity_threshold=0.8, cross_threshold=0.8)
    values = measured(0.5, (1.0,) * 4)
    assert not rule.decide(values).is_injected
    assert replace(rule, additional_check=False).decide(values).is_injected


@pytest.mark.parametrize(
    ("direction", "crossed", "natural"),
    [
        ("victim_to_target", (0.0, 1.0, 0.0, 1.0), True),
        ("victim_to_target", (1.0, 0.0, 1.0, 1.0), False),
        ("target_to_victim", (1.0, 0.0, 1.0, 0.0), True),
        ("target_to_victim", (1.0, 1.0, 0.0, 1.0), False),
    ],
)
def test_a_one_sided_rule_asks_the_accuracies_of_its_side(direction, crossed, natural):
    rule = PaperRule(similarity_threshold=0.8, cross_threshold=0.8, direction=direction)
    assert rule.decide(measured(0.5, crossed)).is_injected is not natural


@pytest.mark.parametrize("direction", ["both", "victim_to_target", "target_to_victim"])
@pytest.mark.parametrize("additional_check", [True, False])
def test_all_at_once_is_each_by_itself(direction, additional_check):
    rule = replace(RULE, direction=direction, additional_check=additional_check)
    crosses = itertools.product((0.3, 0.7, 1.0), repeat=4)
    converged = itertools.product((0.0, 1.0), repeat=2)
    rows = [
        measured(similarity, cross, both)
        for similarity, cross, both in itertools.product(GRID, crosses, converged)
    ]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    assert rule.all_injected(columns).tolist() == [rule.injects(row) for row in rows]
