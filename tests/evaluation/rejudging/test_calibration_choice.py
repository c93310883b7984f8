"""Fitting the calibrated judge: what is planted is learnt, what is noise is not."""

import json

import numpy as np
import pandas as pd
import pytest

from exray.evaluation.metrics import scores
from exray.evaluation.rejudging.calibration_choice import (
    CalibratedRejudgement,
    CalibrationChoice,
    scored_by_rule,
)
from exray.evaluation.rejudging.calibration_fit import examples_of, fitted, probabilities
from exray.rules.base import CROSS
from exray.rules.calibrated import CalibratedRule
from exray.rules.calibration import Calibration, Term

SETS = (("similarity",), ("mean_cross",), ("similarity", "mean_cross"))


def zoo(*, telling, num_models=24, seed=0):
    """Three triggers a model; of trojaned models the first is the injected one."""
    stream = np.random.default_rng(seed)
    ids = [f"m{place}" for place in range(num_models)]
    trojaned = np.arange(num_models) % 2 == 0
    records = pd.DataFrame(
        {
            "model_id": ids,
            "judge": "exray",
            "status": "done",
            "scanner": "abs_both",
            "verdict": "natural-only",
            "probability": 0.4,
            "num_triggers": 3,
            "is_trojaned": pd.array(trojaned, dtype="boolean"),
            "scanner_flags": pd.array([True] * num_models, dtype="boolean"),
        }
    )
    count = 3 * num_models
    true = np.repeat(trojaned, 3) & (np.arange(count) % 3 == 0)
    names = ("similarity", "similarity_first", "similarity_second", *CROSS)
    triggers = pd.DataFrame(
        {f"m_{name}": stream.uniform(0.4, 1.0, count) for name in names}
        | {f"m_converged_victim_{name}": np.ones(count) for name in ("target", "stamped")}
        | {"model_id": np.repeat(ids, 3), "victim_class": np.arange(count) % 3}
        | {"target_class": 3 + np.arange(count) % 3}
        | {"is_true_trigger": pd.array(true, dtype="boolean")}
    )
    triggers["m_similarity"] -= telling * true
    return records, triggers


def choice(**changes):
    values = {"name": "fit", "file": None, "sets": SETS, "penalties": (1.0,)}
    values |= {"folds": 3, "repeats": 1, "seed": 0}
    return CalibrationChoice(**values | changes)


def test_what_tells_is_chosen_and_tells_models_left_out_apart():
    result = choice().choose(*zoo(telling=0.5))
    assert [term["feature"] for term in result.content["terms"]] == ["similarity"]
    assert result.content["terms"][0]["weight"] < 0
    chosen = result.predictions[1]
    assert chosen.name == "chosen: similarity, C 1, left out"
    assert scores(chosen)["ROC-AUC"] > 0.9
    assert result.how["left_out_cross_entropy"] == pytest.approx(
        scores(chosen)["cross-entropy"], abs=1e-4
    )
    assert (result.how["num_injected_examples"], result.how["num_natural_examples"]) == (12, 60)


def test_a_measurement_that_is_the_same_for_all_triggers_is_no_term():
    records, triggers = zoo(telling=0.5)
    triggers = triggers.assign(**{f"m_{name}": 0.5 for name in CROSS})
    result = choice(sets=(SETS[2],)).choose(records, triggers)
    assert [term["feature"] for term in result.content["terms"]] == ["similarity"]


def test_noise_says_no_more_about_models_left_out_than_the_trivial_rule():
    result = choice(sets=(SETS[2],)).choose(*zoo(telling=0.0, num_models=60))
    loss = scores(result.predictions[1])["cross-entropy"]
    assert 0.66 < loss < 0.78  # log 2 is 0.693; and it is not sure of itself either


def test_the_frozen_file_gives_each_model_the_probability_that_was_fitted(tmp_path):
    records, triggers = zoo(telling=0.3)
    result = choice(sets=(SETS[2],)).choose(records, triggers)
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(dict(result.content)))
    examples, _ = examples_of(records, triggers)
    fit = fitted(examples, SETS[2], 1.0, np.ones(24, dtype=bool))
    stored, calibrated = CalibratedRejudgement(name="c", file=str(path)).predictions(
        records, triggers
    )
    assert calibrated.probability == pytest.approx(probabilities(fit, examples, SETS[2]), abs=1e-4)
    assert (calibrated.flagged == (calibrated.probability >= 0.5)).all()
    assert not stored.flagged.any()


def test_models_without_triggers_and_inconclusive_ones_keep_what_they_have(tmp_path):
    records, triggers = zoo(telling=0.5)
    records.loc[[0, 1], "num_triggers"] = 0
    records.loc[0, "verdict"] = "clean"
    records.loc[1, ["verdict", "probability"]] = ["inconclusive", 0.5]
    judged = triggers[~triggers["model_id"].isin(["m0", "m1"])]
    term = Term(feature="similarity", weight=-2.0, centre=0.7, scale=0.1)
    fit = Calibration(terms=(term,), bias=0.0, without_triggers=0.2, unconverged=0.5)
    (tmp_path / "fit.json").write_text(json.dumps(fit.to_dict()))
    rule = CalibratedRule(file=str(tmp_path / "fit.json"))
    calibrated = scored_by_rule(records, judged, rule, "calibrated")
    assert calibrated.probability[:2].tolist() == [0.2, 0.5]
    assert not calibrated.flagged[:2].any()


def test_what_may_be_either_teaches_nothing():
    records, triggers = zoo(telling=0.5)
    triggers.loc[1, "target_class"] = triggers.loc[0, "target_class"]  # other victim, true target
    triggers.loc[4, "target_class"] = triggers.loc[3, "target_class"]  # in a clean model
    triggers.loc[2, [name for name in triggers if name.startswith("m_")]] = np.nan  # flips nothing
    triggers.loc[5, "m_converged_victim_target"] = 0.0
    examples, unconverged = examples_of(records, triggers)
    assert len(examples.label) == 72 - 2
    assert examples.label[:5].tolist() == [1, -1, 0, 0, 1]
    assert unconverged == pytest.approx(1 / 3)  # a natural one, with two pseudo-triggers


def test_a_run_of_which_nothing_can_be_learnt_is_refused():
    records, triggers = zoo(telling=0.5)
    with pytest.raises(ValueError, match=r"lack the measurements of every one of sets"):
        choice(sets=(("log_patch_size",),)).choose(records, triggers)
    clean = records.assign(is_trojaned=pd.array([False] * 24, dtype="boolean"))
    with pytest.raises(ValueError, match="all of one kind; nothing can be fitted"):
        choice().choose(clean, triggers.assign(is_true_trigger=False))
    with pytest.raises(ValueError, match="folds must be >= 2 and repeats >= 1; got 1, 1"):
        choice(folds=1)
    with pytest.raises(ValueError, match="penalties must hold values, penalties above 0"):
        choice(penalties=(0.0,))
