"""The paper's claims and the goals beyond, held against rows of ten models."""

import math

import numpy as np
import pandas as pd
import pytest

from exray.evaluation.predictions import scanner_alone
from exray.experiments.claims import goals_beyond, paper_claims


@pytest.fixture
def rows_named(cell_of):
    """Makes rows of ten models that the scanner all flags."""

    def make(name, flagged, truth=(True,) * 4 + (False,) * 6):
        models = [
            (f"m{place}", "polygon" if is_trojaned else "", [])
            for place, is_trojaned in enumerate(truth)
        ]
        rows = cell_of(models).records.assign(row=name, setting=math.nan, scanner_flags=True)
        verdicts = ["trojaned" if is_flagged else "natural-only" for is_flagged in flagged]
        return rows.assign(verdict=verdicts, probability=np.where(flagged, 0.9, 0.1))

    return make


def flags(tp, fp):
    return [place < tp for place in range(4)] + [place < fp for place in range(6)]


def claimed(claims):
    return {claim.text.partition(" (")[0]: claim.holds for claim in claims}


def test_the_papers_claims_are_held_against_the_rows(rows_named):
    rows = pd.concat(
        [
            rows_named("exray", flags(3, 1)),
            rows_named("l2, best separation", flags(4, 2)),
            rows_named("l2, frozen threshold", flags(1, 6)),
            rows_named("one_sided_v_to_t", flags(3, 2)),
        ]
    )
    assert scanner_alone(rows[rows["row"] == "exray"]).counts.fp == 6
    assert claimed(paper_claims(rows)) == {
        "exray removes 78 % or more of the false positives": True,
        "exray loses 30 % or less of the true positives": True,
        "exray gains 17 points of accuracy or more": True,
        "exray beats every baseline, at the best separation": False,
        "exray beats every baseline, thresholds frozen": True,
        "symmetric beats one-sided": True,
    }


def test_thresholds_chosen_alike_are_compared_too(rows_named):
    rows = pd.concat(
        [
            rows_named("exray", flags(3, 1)),
            rows_named("exray, best separation", flags(4, 0)),
            rows_named("exray, frozen threshold", flags(1, 5)),
            rows_named("l2, best separation", flags(4, 1)),
            rows_named("l2, frozen threshold", flags(2, 5)),
        ]
    )
    held = claimed(paper_claims(rows))
    assert held["exray beats every baseline, at the best separation"] is False
    assert held["exray beats every baseline, at the best separation, its own too"] is True
    assert held["exray beats every baseline, thresholds frozen"] is True
    assert held["exray beats every baseline, thresholds frozen, its own too"] is False


def test_claims_without_rows_say_nothing(rows_named):
    rows = rows_named("exray", flags(1, 4))
    held = claimed(paper_claims(rows))
    assert held["exray removes 78 % or more of the false positives"] is False
    assert held["symmetric beats one-sided"] is None
    assert paper_claims(rows_named("l2", flags(1, 1))) == []


def test_the_goals_beyond_are_those_of_the_calibrated_judge(rows_named):
    good = claimed(goals_beyond(rows_named("exray_calibrated", flags(4, 0))))
    assert len(good) == 5
    assert all(good.values())
    bad = claimed(goals_beyond(rows_named("exray_calibrated", flags(2, 3))))
    assert not any(bad.values())
    assert goals_beyond(rows_named("exray", flags(4, 0))) == []
