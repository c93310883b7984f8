"""The judgement's own check, and what a judge does by default."""

import pytest
import torch

from exray.errors import LayerNotFoundError
from exray.judges.base import Judgement
from exray.judges.baselines.distance_rule import DistanceRule
from exray.judges.baselines.l2 import InnerL2
from exray.judges.baselines.no_judge import KeepAll
from exray.judges.baselines.random_forest import ForestMeasurements
from exray.rules.base import Decision


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan")])
def test_a_score_outside_zero_and_one_is_refused(score):
    with pytest.raises(ValueError, match=rf"score must lie in \[0, 1\]; got {score}"):
        Judgement(is_injected=True, score=score, reason="none")


@pytest.mark.parametrize(("is_injected", "score"), [(True, 0.49), (False, 0.5)])
def test_a_score_that_contradicts_the_verdict_is_refused(is_injected, score):
    message = f"score must be 0.5 or more exactly when is_injected; got {score}"
    with pytest.raises(ValueError, match=message):
        Judgement(is_injected=is_injected, score=score, reason="none")
    with pytest.raises(ValueError, match=message):
        Decision(
            is_injected=is_injected, score=score, reason="none", measurements={}, thresholds={}
        )


def test_a_judgement_holds_the_decision_and_the_tensors():
    decision = Decision(
        is_injected=True, score=0.75, reason="why", measurements={"a": 1.0}, thresholds={"b": 2.0}
    )
    judgement = Judgement.of(decision, tensors={"mask": torch.ones(2)})
    assert {name: vars(judgement)[name] for name in vars(decision)} == vars(decision)
    assert judgement.tensors["mask"].tolist() == [1, 1]


def test_a_judge_refuses_nothing_and_has_neither_files_nor_a_probability_by_default(
    trojaned, colour_samples
):
    judge = KeepAll()
    judge.check(trojaned, colour_samples)
    assert judge.fingerprint() == ""
    assert judge.probability_without_triggers is None
    assert judge.for_scanner("abs") is judge
    assert judge.remarks == ()


@pytest.mark.parametrize(
    "judge",
    [
        InnerL2(layer="nowhere", rule=DistanceRule(threshold=1.0)),
        ForestMeasurements(layer="nowhere"),
    ],
)
def test_a_judge_of_a_layer_refuses_a_network_without_it(judge, trojaned, colour_samples):
    with pytest.raises(LayerNotFoundError, match="nowhere"):
        judge.check(trojaned, colour_samples)
