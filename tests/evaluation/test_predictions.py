import numpy as np
import pandas as pd
import pytest

from exray.evaluation.confusion import Counts
from exray.evaluation.predictions import all_clean, left_out, scanner_alone, with_judge


def frame(rows):
    names = ["status", "verdict", "scanner_flags", "is_trojaned"]
    types = {"scanner_flags": "boolean", "is_trojaned": "boolean"}
    table = pd.DataFrame(rows, columns=names).astype(types)
    return table.assign(model_id=[f"m{place}" for place in range(len(rows))], probability=0.7)


def test_the_judge_clears_what_the_scanner_flagged():
    rows = [
        ("done", "trojaned", True, True),
        ("done", "natural-only", True, False),
        ("done", "clean", False, False),
    ]
    assert scanner_alone(frame(rows)).counts == Counts(tp=1, fp=1, tn=1, fn=0)
    assert with_judge(frame(rows)).counts == Counts(tp=1, fp=0, tn=2, fn=0)
    assert all_clean(frame(rows)).counts == Counts(tp=0, fp=0, tn=2, fn=1)


def test_inconclusive_flags_nothing():
    predictions = with_judge(frame([("done", "inconclusive", True, True)]))
    assert predictions.counts == Counts(tp=0, fp=0, tn=0, fn=1)


def test_failed_and_unknown_are_left_out_and_said():
    rows = [
        ("failed", "failed", None, True),
        ("done", "trojaned", True, None),
        ("done", "clean", None, False),
    ]
    assert len(with_judge(frame(rows))) == 1
    assert len(scanner_alone(frame(rows))) == 0
    omitted = left_out(frame(rows))
    assert (omitted.num_failed, omitted.num_unknown_truth, omitted.num_without_flag) == (1, 1, 1)
    assert omitted.caption == (
        "Left out: 1 failed, 1 of unknown ground truth. The scanner alone gave no answer for 1."
    )
    assert left_out(frame(rows[2:]).assign(scanner_flags=True)).caption == ""


def test_the_trivial_rules_probability_is_the_share_of_trojaned_models():
    rows = [("done", "clean", True, truth) for truth in (True, False, False, False)]
    assert all_clean(frame(rows)).probability.tolist() == [0.25] * 4
    assert len(all_clean(frame([]))) == 0


def test_the_scanner_alone_gives_no_probability():
    predictions = scanner_alone(frame([("done", "trojaned", True, True)]))
    assert np.isnan(predictions.probability).all()


def test_answers_refuse_what_is_no_answer(make_predictions):
    with pytest.raises(ValueError, match=r"probability must lie in \[0, 1\]; got values from 0.5"):
        make_predictions([True, False], [0.5, 1.5])
    with pytest.raises(ValueError, match="must be as long"):
        make_predictions([True, False], [0.5, 0.5], ids=("a",))
