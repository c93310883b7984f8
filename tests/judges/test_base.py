"""The answer of a judge."""

import pytest

from exray.judges.base import Judgement


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan")])
def test_a_score_outside_zero_and_one_is_refused(score):
    with pytest.raises(ValueError, match=rf"score must lie in \[0, 1\]; got {score}"):
        Judgement(is_injected=True, score=score, reason="none")
