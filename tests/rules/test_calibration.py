"""Calibrations: measurements as features, files and the shipped ones, and files that are none."""

import json
import math
from dataclasses import replace

import pytest

from exray.rules.calibrated import WORDS, CalibratedRule
from exray.rules.calibration import FEATURES, SHIPPED, Term, read_calibration

OVERLAP = Term(feature="similarity", weight=-2.0, centre=0.75, scale=0.125)


def test_what_is_far_from_everything_fitted_on_says_no_more_than_three_deviations():
    assert OVERLAP.push({"similarity": -40.0}) == OVERLAP.push({"similarity": 0.75 - 0.375}) == 6


def test_every_feature_is_a_function_of_the_measurements_and_has_words(measured):
    features = {name: feature(measured()) for name, feature in FEATURES.items()}
    assert set(features) == set(WORDS)
    assert all(math.isfinite(value) for value in features.values())
    assert features["mask_ratio"] == pytest.approx(math.log(0.5))
    assert features["mean_cross"] == pytest.approx(3.5 / 4)
    assert features["log_patch_size"] == pytest.approx(math.log(0.01))
    assert features["whole_image"] == 0
    assert features["log_entropy_stamped_target"] == pytest.approx(math.log(0.01))
    filtered = {"size_share": 1.0}
    assert math.isnan(FEATURES["log_patch_size"](filtered))
    assert FEATURES["whole_image"](filtered) == 1
    assert Term(feature="log_patch_size", weight=9.0, centre=0.0, scale=1.0).push(filtered) == 0


@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("similarity_quantile", "null_count"),
        ("tube_ratio", "confidence_shift"),
        ("earlier_similarity", "earlier_converged"),
    ],
)
def test_what_a_trigger_has_no_value_of_adds_nothing_and_what_a_run_did_not_store_is_named(
    measured, name, marker
):
    term = Term(feature=name, weight=2.0, centre=0.0, scale=1.0)
    values = measured()
    assert term.push(values) == 2 * values[name]
    del values[name]
    assert term.push(values) == 0
    del values[marker]
    with pytest.raises(ValueError, match=f"no measurement {marker}; judge it again"):
        term.push(values)


def test_a_calibration_comes_back_from_its_file_and_only_its_numbers_are_hashed(fitted, written):
    noted = replace(fitted, provenance={"zoo": "signs"})
    assert read_calibration(written(noted)) == noted
    assert noted.fingerprint == fitted.fingerprint
    assert replace(fitted, bias=0.0).fingerprint != fitted.fingerprint


@pytest.mark.parametrize("scanner", list(SHIPPED))
def test_the_shipped_calibrations_say_where_they_come_from(measured, scanner):
    shipped = read_calibration(SHIPPED[scanner])
    assert shipped.provenance["scanner"] == scanner
    assert {"zoo", "zoo_seed", "half", "num_models", "num_triggers", "command"} <= set(
        shipped.provenance
    )
    assert shipped.provenance["half"] != "reporting"
    assert shipped.provenance["zoo"] != "signs_mini"
    assert CalibratedRule(file=scanner).fingerprint == shipped.fingerprint
    natural, injected = (shipped.probability(measured(share, share)) for share in (1.0, 0.1))
    assert natural < 0.5
    assert natural <= injected


def test_a_measurement_that_was_not_taken_is_named(fitted):
    with pytest.raises(ValueError, match="no measurement similarity; judge it again"):
        fitted.probability({})


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
def test_a_file_that_is_no_calibration_is_refused_in_one_line(tmp_path, fitted, changes, problem):
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(fitted.to_dict() | changes))
    with pytest.raises(ValueError, match=rf"holds no calibration \(.*{problem}") as refused:
        CalibratedRule(file=str(path))
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_that_is_missing_broken_or_huge_is_refused(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"there is no calibration at .*; take abs_both or .* or portfolio_uneven, or",
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
