"""Choosing a calibration of groups: by transfers, and frozen as it was fitted."""

import json

import numpy as np
import pandas as pd
import pytest

from exray.evaluation.metrics import scores
from exray.evaluation.rejudging.calibration_choice import CalibratedRejudgement
from exray.evaluation.rejudging.grouped_choice import GroupedCalibrationChoice
from exray.evaluation.rejudging.grouped_examples import GroupSpec, grouped_examples
from exray.evaluation.rejudging.grouped_fit import GroupedFitter, Setup
from tests.evaluation.rejudging.conftest import drawn_zoo

SETS = (("margin_wide",), ("strength",), ("strength", "margin_wide"))


def groups_with(sets):
    """Universal and label-specific triggers of two searches."""
    return tuple(
        GroupSpec(name=f"{reach} {search}", searches=(search,), is_universal=reach, sets=sets)
        for search in ("patch", "picture")
        for reach in (True, False)
    )


def choice(**changes):
    values = {"name": "portfolio", "file": None, "runs": (), "groups": groups_with(SETS)}
    values |= {
        "lacking": (),
        "expresses": {},
        "families": {},
        "borrowings": (0.2,),
        "penalties": (1.0,),
        "combinations": ("noisy_or",),
        "threshold": "balanced",
    }
    values |= {"false_positive_rate": 0.1, "least_gain": 0.002, "folds": 3, "seed": 0}
    return GroupedCalibrationChoice(**values | changes)


def test_what_transfers_is_chosen_and_the_transfers_are_shown_and_stored():
    result = choice().choose(*drawn_zoo(telling=8.0))
    features = [[term["feature"] for term in group["terms"]] for group in result.content["groups"]]
    assert (features[0], features[3]) == (["strength"], ["strength"])  # the groups with examples
    assert [shown.name for shown in result.predictions] == [
        *("as it ran", "left out, 3 folds", "without glyphs", "without signs"),
        *("without blend", "without patch", "without 1", "without universal"),
    ]
    left_out = result.predictions[1]
    assert scores(left_out)["balanced accuracy"] > 0.85
    stored = result.how["transfers"]["without glyphs"]
    assert stored["num_models"] == 24
    assert stored["ROC-AUC"] == pytest.approx(scores(result.predictions[2])["ROC-AUC"], abs=1e-4)
    assert result.how["num_setups_tried"] == 1 + 4 * 2
    assert (result.how["num_injected_examples"], result.how["num_natural_examples"]) == (24, 96)


@pytest.mark.parametrize("combination", ["noisy_or", "maximum", "stacked"])
def test_the_frozen_file_gives_each_model_the_probability_that_was_fitted(tmp_path, combination):
    records, triggers = drawn_zoo()
    groups = groups_with(SETS[2:])
    result = choice(combinations=(combination,), groups=groups).choose(records, triggers)
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(dict(result.content)))
    examples = grouped_examples(records, triggers, groups)
    fitter = GroupedFitter(examples, groups, threshold="balanced", false_positive_rate=0.1)
    setup = Setup(sets=(SETS[2],) * 4, penalty=1.0, borrowing=0.2, combination=combination)
    fit = fitter.fit(setup, np.ones(48, dtype=bool))
    _, calibrated = CalibratedRejudgement(name="c", file=str(path)).predictions(records, triggers)
    assert calibrated.probability == pytest.approx(fit.probability, abs=1e-4)
    assert (calibrated.flagged == (calibrated.probability >= 0.5)).all()


def test_models_without_a_measurement_get_a_fit_of_their_own(tmp_path):
    records, triggers = drawn_zoo(telling=8.0)
    result = choice(lacking=("strength",)).choose(records, triggers)
    usual, fallback = result.content, result.content["fallback"]
    assert fallback["lacking"] == ["strength"]
    weighed = [
        {term["feature"] for group in part["groups"] for term in group["terms"]}
        for part in (usual, fallback)
    ]
    assert ("strength" in weighed[0], "strength" in weighed[1]) == (True, False)
    # of three sets two are left, the second empty
    assert result.how["fallback"]["num_setups_tried"] == 1 + 4 * 1
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(dict(usual)))
    alone = tmp_path / "fallback.json"
    parts = {**usual, **fallback, "fallback": None}
    alone.write_text(json.dumps({k: v for k, v in parts.items() if k != "lacking"}))
    lacking = triggers.assign(m_strength=np.nan)
    said = [
        CalibratedRejudgement(name="c", file=str(file)).predictions(records, lacking)[1]
        for file in (path, alone)
    ]
    assert said[0].probability == pytest.approx(said[1].probability)
    usual_said = CalibratedRejudgement(name="c", file=str(path)).predictions(records, triggers)[1]
    without = choice().choose(records, triggers).content
    alone.write_text(json.dumps(dict(without)))
    plain = CalibratedRejudgement(name="c", file=str(alone)).predictions(records, triggers)[1]
    assert usual_said.probability == pytest.approx(plain.probability)
    assert not np.allclose(usual_said.probability, said[0].probability)


def test_where_no_model_has_what_some_lack_there_is_no_fallback():
    records, triggers = drawn_zoo(telling=8.0)
    result = choice(lacking=("strength",)).choose(records, triggers.assign(m_strength=np.nan))
    assert "fallback" not in result.content
    assert "fallback" not in result.how
    assert result.content["num_models"] == 48


def test_of_penalties_and_combinations_the_better_is_taken():
    both = choice(
        combinations=("maximum", "noisy_or"), penalties=(1e-6, 1.0), groups=groups_with(SETS[1:])
    )
    result = both.choose(*drawn_zoo(telling=8.0))
    assert result.how["penalty"] == 1.0
    assert result.how["num_setups_tried"] == 4 + 4


def test_what_nothing_can_be_left_out_of_is_cross_validated():
    records, triggers = drawn_zoo()
    plain = records.assign(dataset="a", trigger_kind="", trigger_reach="")
    result = choice().choose(plain, triggers)
    assert len(result.predictions) == 2
    assert result.how["transfers"] == {}


def test_a_run_of_which_nothing_can_be_learnt_is_refused():
    records, triggers = drawn_zoo()
    clean = records.assign(is_trojaned=pd.array([False] * 48, dtype="boolean"))
    with pytest.raises(ValueError, match="all of one kind; nothing can be fitted"):
        choice().choose(clean, triggers)
    with pytest.raises(ValueError, match="all of one kind; nothing can be fitted"):
        choice().choose(records, triggers.assign(is_true_trigger=False))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"penalties": (0.0,)}, "groups and penalties must hold values, penalties above 0"),
        ({"groups": ()}, "groups and penalties must hold values"),
        ({"lacking": ("colour",)}, r"lacking knows strength, .*; got 'colour'"),
        ({"combinations": ("sum",)}, r"noisy_or, maximum and stacked; got \['sum'\]"),
        ({"threshold": "best"}, r"threshold takes conformal or balanced; got 'best'"),
        ({"borrowings": (-0.1,)}, r"borrowings must hold values, 0 or more; got \[-0.1\]"),
        ({"folds": 1}, r"folds be >= 2; got 0.1, 1"),
        ({"false_positive_rate": 1.0}, r"false_positive_rate must lie in \(0, 1\)"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, problem):
    with pytest.raises(ValueError, match=problem):
        choice(**changes)
