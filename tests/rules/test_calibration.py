"""The calibrated rule: its probability by hand, its evidence, and files that are none."""

import json
import math
from dataclasses import replace

import pytest

from exray.rules.base import CROSS
from exray.rules.calibrated import WORDS, CalibratedRule
from exray.rules.calibration import FEATURES, SHIPPED, Calibration, Term, logistic, read_calibration

OVERLAP = Term(feature="similarity", weight=-2.0, centre=0.75, scale=0.125)
WEAKEST = Term(feature="weakest_cross", weight=-1.0, centre=0.5, scale=0.25)
FITTED = Calibration(terms=(OVERLAP, WEAKEST), bias=-1.0, without_triggers=0.2, unconverged=0.3)


def measured(similarity=0.75, weakest=0.5, converged=1.0):
    return {
        "similarity": similarity,
        "similarity_first": 0.5,
        "similarity_second": similarity,
        **dict.fromkeys(CROSS, 1.0),
        **{f"entropy_{name}": 0.0 for name in CROSS},
        CROSS[2]: weakest,
        "mask_sum_victim_target": 3.0,
        "mask_sum_victim_stamped": 1.0,
        "entropy_stamped_target": 0.009,
        "size_share": 0.01,
        "converged_victim_target": 1.0,
        "converged_victim_stamped": converged,
    }


def written(folder, calibration=FITTED):
    path = folder / "fit.json"
    path.write_text(json.dumps(calibration.to_dict()))
    return path


def test_the_probability_is_the_logistic_of_the_weighted_measurements(tmp_path):
    values = measured(similarity=0.5, weakest=0.25)  # two deviations and one under the mean
    assert FITTED.probability(values) == pytest.approx(1 / (1 + math.exp(-(-1 + 4 + 1))))
    decided = CalibratedRule(file=str(written(tmp_path))).decide(values)
    assert decided.is_injected
    assert decided.score == pytest.approx(logistic(4.0))
    assert decided.measurements["push_similarity"] == 4
    assert decided.measurements["push_weakest_cross"] == 1
    assert decided.reason == (
        "injected: 98% likely to be injected; log-odds from the masks' overlap +4.0, the weakest "
        "cross accuracy +1.0"
    )


@pytest.mark.parametrize("similarity", [0.0, 0.3, 0.5, 0.6, 0.7, 1.0])
@pytest.mark.parametrize("weakest", [0.0, 0.5, 1.0])
def test_one_half_parts_injected_from_natural(tmp_path, similarity, weakest):
    decided = CalibratedRule(file=str(written(tmp_path))).decide(measured(similarity, weakest))
    assert decided.is_injected == (decided.score >= 0.5)
    pushed = sum(value for name, value in decided.measurements.items() if name.startswith("push_"))
    assert decided.score == pytest.approx(logistic(pushed - 1.0))


def test_what_is_far_from_everything_fitted_on_says_no_more_than_three_deviations():
    assert OVERLAP.push({"similarity": -40.0}) == OVERLAP.push({"similarity": 0.75 - 0.375}) == 6


def test_masks_that_did_not_converge_get_their_own_probability(tmp_path):
    rule = CalibratedRule(file=str(written(tmp_path)))
    decided = rule.decide(measured(converged=0.0))
    assert (decided.score, decided.is_injected) == (0.3, False)
    assert decided.reason.endswith("no mask exchanges victim and stamped, so nothing was compared")
    assert rule.probability_without_triggers == 0.2


def test_every_feature_is_a_function_of_the_measurements_and_has_words():
    found = {name: feature(measured()) for name, feature in FEATURES.items()}
    assert set(found) == set(WORDS)
    assert all(math.isfinite(value) for value in found.values())
    assert found["mask_ratio"] == pytest.approx(math.log(0.5))
    assert found["mean_cross"] == pytest.approx(3.5 / 4)
    assert found["log_patch_size"] == pytest.approx(math.log(0.01))
    assert found["whole_image"] == 0
    assert found["log_entropy_stamped_target"] == pytest.approx(math.log(0.01))
    filtered = {"size_share": 1.0}
    assert math.isnan(FEATURES["log_patch_size"](filtered))
    assert FEATURES["whole_image"](filtered) == 1
    assert Term(feature="log_patch_size", weight=9.0, centre=0.0, scale=1.0).push(filtered) == 0


def test_a_calibration_comes_back_from_its_file_and_only_its_numbers_are_hashed(tmp_path):
    noted = replace(FITTED, provenance={"zoo": "signs"})
    assert read_calibration(written(tmp_path, noted)) == noted
    assert noted.fingerprint == FITTED.fingerprint
    assert replace(FITTED, bias=0.0).fingerprint != FITTED.fingerprint


@pytest.mark.parametrize("scanner", list(SHIPPED))
def test_the_shipped_calibrations_say_where_they_come_from(scanner):
    shipped = read_calibration(SHIPPED[scanner])
    assert shipped.provenance["scanner"] == scanner
    assert {"zoo", "zoo_seed", "half", "num_models", "num_triggers", "command"} <= set(
        shipped.provenance
    )
    assert shipped.provenance["half"] != "reporting"
    assert shipped.provenance["zoo"] != "signs_mini"
    assert CalibratedRule(file=scanner).fingerprint == shipped.fingerprint
    by_default = CalibratedRule(file=None).fingerprint == shipped.fingerprint
    assert by_default == (scanner == "abs_both")
    natural, injected = (shipped.probability(measured(each, each)) for each in (1.0, 0.1))
    assert natural < 0.5
    assert natural <= injected


def test_a_measurement_that_was_not_taken_is_named():
    with pytest.raises(ValueError, match="no measurement similarity; judge it again"):
        FITTED.probability({})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"terms": 1}, "terms: expected `array`; got 1"),
        ({"terms": []}, "at least one term"),
        ({"terms": [{"feature": "os.system"}]}, r"terms\[0\]: weight is missing"),
        ({"bias": "0"}, "bias: expected `float`; got '0'"),
        ({"bias": float("nan")}, "bias must be a number; got nan"),
        ({"without_triggers": 1.0}, r"without_triggers must lie in \(0, 1\); got 1.0"),
        ({"kind": "threshold"}, "kind must be calibration; got 'threshold'"),
        ({"format": 2}, "format must be 1; got 2"),
        ({"more": 1}, "there is no 'more'; there are: kind, .*, provenance"),
        ({"terms": [dict(vars(OVERLAP), feature="os.system")]}, "feature must be one of"),
        ({"terms": [dict(vars(OVERLAP), scale=0.0)]}, "scale of similarity must be above 0"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused_in_one_line(tmp_path, changes, problem):
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(FITTED.to_dict() | changes))
    with pytest.raises(ValueError, match=rf"holds no calibration \(.*{problem}") as refused:
        CalibratedRule(file=str(path))
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_that_is_missing_broken_or_huge_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"there is no calibration at .*; take abs_both or abs_r2, or"
    ):
        CalibratedRule(file=str(tmp_path / "none.json"))
    path = tmp_path / "fit.json"
    for content in (b"{", b"[]", b"\xff", b"[" * 50000):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="holds no calibration"):
            read_calibration(path)
    path.write_bytes(b" " * 70000)
    with pytest.raises(ValueError, match="too large for a calibration"):
        read_calibration(path)
