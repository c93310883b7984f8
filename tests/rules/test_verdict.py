"""One classifier's verdict, and the same over tables."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from exray.rules.verdict import Verdict, flagged_verdict, model_verdict, model_verdicts


@dataclass(frozen=True)
class Decided:
    score: float

    @property
    def is_injected(self):
        return self.score >= 0.5


def table(decisions):
    rows = [
        {"model_id": name, "is_injected": decision.is_injected, "score": decision.score}
        for name, scores in decisions.items()
        for decision in scores
    ]
    return pd.DataFrame(rows, columns=["model_id", "is_injected", "score"])


@pytest.mark.parametrize(
    ("scores", "inconclusive", "expected"),
    [
        ((), False, (Verdict.CLEAN, 0.1)),
        ((), True, (Verdict.INCONCLUSIVE, 0.5)),
        ((0.2, 0.4), False, (Verdict.NATURAL_ONLY, 0.4)),
        ((0.2, 0.5), False, (Verdict.TROJANED, 0.5)),
        ((0.9,), True, (Verdict.INCONCLUSIVE, 0.5)),
    ],
)
def test_one_injected_trigger_makes_a_classifier_trojaned(scores, inconclusive, expected):
    decisions = [Decided(score) for score in scores]
    verdict = model_verdict(decisions, is_inconclusive=inconclusive, without_triggers=0.1)
    assert verdict == expected


@pytest.mark.parametrize("seed", range(5))
def test_the_table_of_verdicts_agrees_with_each_classifiers_own(seed):
    stream = np.random.default_rng(seed)
    names = [f"id-{index}" for index in range(20)]
    counts = stream.integers(0, 4, len(names))
    scores = {
        name: [Decided(round(float(score), 1)) for score in stream.random(count)]
        for name, count in zip(names, counts, strict=True)
    }
    inconclusive = pd.Series(stream.random(len(names)) < 0.2)
    without = pd.Series(stream.random(len(names)))
    other = {"another": [Decided(0.9)]}
    verdicts = model_verdicts(
        names, table(scores | other), is_inconclusive=inconclusive, without_triggers=without
    )
    for row, name in enumerate(names):
        verdict, probability = model_verdict(
            scores[name],
            is_inconclusive=bool(inconclusive[row]),
            without_triggers=float(without[row]),
        )
        assert verdicts.loc[row, "verdict"] == verdict.value
        assert verdicts.loc[row, "probability"] == probability
        assert verdicts.loc[row, "num_triggers"] == len(scores[name])
        assert verdicts.loc[row, "num_injected"] == sum(one.is_injected for one in scores[name])


def test_without_any_trigger_all_classifiers_are_clean():
    verdicts = model_verdicts(["a", "b"], table({}), is_inconclusive=False, without_triggers=0.2)
    assert list(verdicts["verdict"]) == ["clean", "clean"]
    assert list(verdicts["probability"]) == [0.2, 0.2]
    assert list(verdicts["num_triggers"]) == [0, 0]


@pytest.mark.parametrize(
    ("verdict", "flagged", "expected"),
    [
        ("trojaned", True, "trojaned"),
        ("trojaned", False, "natural-only"),
        ("clean", True, "trojaned"),
        ("inconclusive", False, "inconclusive"),
    ],
)
def test_a_flag_changes_only_a_verdict_that_says_otherwise(verdict, flagged, expected):
    assert flagged_verdict(verdict, is_flagged=flagged) == expected
