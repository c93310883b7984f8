"""What the dashboard draws of a judge's calibration curve."""

import math

import pytest

from exray.evaluation.calibration_curve import CalibrationCurve
from exray.reports.dashboard_views import JudgeView


def view_of(curve):
    return JudgeView(
        key="j0",
        name="exray",
        statistics=None,
        pruned=None,
        roc="",
        calibration=curve,
        report="",
        caption="",
    )


def test_the_area_that_a_bins_dot_adds_to_the_smallest_is_its_share_of_models():
    curve = CalibrationCurve(
        stated=(0.1, 0.5, 0.9), observed=(0.0, 0.4, 1.0), sizes=(2, 8, 0), error=0.1
    )
    bins = view_of(curve).bins
    assert [(stated, observed) for stated, observed, _ in bins] == [
        (0.1, 0.0),
        (0.5, 0.4),
        (0.9, 1.0),
    ]
    first, second, empty = (radius for _, _, radius in bins)
    assert (second - empty) / (first - empty) == pytest.approx(2)
    assert empty == 2


def test_one_bin_has_the_largest_dot():
    ((_, _, radius),) = view_of(
        CalibrationCurve(stated=(0.5,), observed=(0.5,), sizes=(7,), error=0.0)
    ).bins
    assert radius == 11


def test_without_a_curve_there_are_no_bins():
    assert view_of(None).bins == []
    empty = CalibrationCurve(stated=(), observed=(), sizes=(), error=math.nan)
    assert view_of(empty).bins == []
