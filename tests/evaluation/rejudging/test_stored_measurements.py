"""Rules that decide on stored measurements, held to the judge's own decisions."""

import numpy as np
import pytest

from exray.evaluation.rejudging.stored_measurements import decide, injected_by, measurements_of
from exray.rules.paper import PaperRule


def test_stored_measurements_decide_as_the_judge_did(triggers):
    rule = PaperRule(similarity_threshold=0.8, cross_threshold=0.8)
    decided = decide(rule, triggers)
    assert injected_by(rule, measurements_of(triggers)).tolist() == triggers["is_injected"].tolist()
    assert [decision.score for decision in decided] == pytest.approx(triggers["score"].tolist())
    verdicts = [reason.split(":")[0] for reason in triggers["reason"]]
    assert [decision.reason.split(":")[0] for decision in decided] == verdicts


def test_a_trigger_that_flipped_nothing_stays_natural(triggers):
    changed = triggers.copy()
    columns = [name for name in changed if name.startswith("m_")]
    row = int(changed["is_injected"].to_numpy().argmax())
    changed.loc[row, columns] = np.nan
    rule = PaperRule(similarity_threshold=0.8, cross_threshold=0.8)
    assert injected_by(rule, measurements_of(triggers))[row]
    assert not injected_by(rule, measurements_of(changed))[row]
    assert decide(rule, changed)[row] is None


def test_measurements_lose_their_prefix_and_keep_their_values(triggers):
    names = [name for name in triggers if name.startswith("m_")]
    rows = measurements_of(triggers)
    assert len(rows) == len(triggers)
    for place, row in enumerate(rows):
        expected = [triggers.loc[place, name] for name in names]
        np.testing.assert_array_equal([row[name.removeprefix("m_")] for name in names], expected)


@pytest.mark.parametrize("name", ["similarity", "converged_victim_stamped"])
def test_triggers_that_were_not_differenced_are_refused(triggers, name):
    with pytest.raises(ValueError, match=f"no {name}; rejudge a run of judge=exray"):
        measurements_of(triggers.drop(columns=f"m_{name}"))
