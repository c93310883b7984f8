"""Other verdicts from stored measurements, held to the rule that judged them and to records."""

import numpy as np
import pytest

from exray.evaluation.predictions import with_judge
from exray.evaluation.rejudging.stored_measurements import injected_by, measurements_of
from exray.evaluation.rejudging.sweeps import (
    ForestRejudgement,
    PaperRuleSweep,
    RuleSweep,
    SeparationRejudgement,
    SizeSweep,
)
from exray.rules.released import ReleasedRule


def test_the_released_rules_are_swept_over_one_runs_masks(records, triggers):
    variants = ("patch", "filter", "round2_hard", "round3_soft")
    rules = [ReleasedRule(variant=variant) for variant in variants]
    sweep = RuleSweep(name="released", rules=rules, labels=variants)
    swept = sweep.predictions(records, triggers)
    assert tuple(predictions.name for predictions in swept) == variants
    for rule, predictions in zip(rules, swept, strict=True):
        expected = set(triggers.loc[injected_by(rule, measurements_of(triggers)), "model_id"])
        assert set(np.array(predictions.model_ids)[predictions.flagged]) == expected
    with pytest.raises(ValueError, match="labels must name each of the 4 rules; got \\['one'\\]"):
        RuleSweep(name="released", rules=rules, labels=("one",))


def test_a_runs_own_thresholds_give_its_own_verdicts(records, triggers):
    sweep = PaperRuleSweep(name="t", similarity_thresholds=(0.7, 0.8), cross_thresholds=(0.8,))
    other, same = sweep.predictions(records, triggers)
    assert same.name == "beta 0.8, gamma 0.8"
    assert same.counts == with_judge(records).counts
    assert other.counts != same.counts


def test_a_lower_beta_prunes_more(records, triggers):
    values = (0.5, 0.6, 0.7, 0.8, 0.9)
    sweep = PaperRuleSweep(name="t", similarity_thresholds=values, cross_thresholds=(0.8,))
    flagged = [predictions.flagged.sum() for predictions in sweep.predictions(records, triggers)]
    assert flagged == sorted(flagged)
    assert flagged[0] < flagged[-1]


def test_a_size_bound_forgets_larger_triggers(records, triggers):
    none, _, everything, judged = SizeSweep(name="s", bounds=(1.0, 4096.0)).predictions(
        records, triggers
    )
    assert not none.flagged.any()
    assert everything.flagged.all()
    assert judged.counts == with_judge(records).counts


def test_one_judges_threshold_is_put_in_three_ways(records, triggers):
    way = SeparationRejudgement(name="s", seed=0)
    stored, best, honest = (
        predictions.counts for predictions in way.predictions(records, triggers)
    )
    assert stored == with_judge(records).counts
    assert best.accuracy >= max(stored.accuracy, honest.accuracy)


def test_measurements_of_another_judge_are_refused(records, triggers):
    sweep = PaperRuleSweep(name="t", similarity_thresholds=(0.8,), cross_thresholds=(0.8,))
    with pytest.raises(ValueError, match="no similarity; rejudge a run of judge=exray"):
        sweep.predictions(records, triggers.drop(columns="m_similarity"))
    with pytest.raises(ValueError, match="target; rejudge a run of judge=random_forest"):
        ForestRejudgement(name="f", trees=5, seed=0).predictions(records, triggers)


def test_values_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"^cross_thresholds must hold values in \(0, 1\)"):
        PaperRuleSweep(name="t", similarity_thresholds=(0.8,), cross_thresholds=())
    with pytest.raises(ValueError, match=r"^bounds must hold positive sizes; got \[0"):
        SizeSweep(name="s", bounds=(0.0,))
    with pytest.raises(ValueError, match=r"^trees must be >= 1; got 0"):
        ForestRejudgement(name="f", trees=0, seed=0)
