"""The anomaly index, by hand and at its limits."""

import pytest

from exray.scanners.neural_cleanse.anomaly_index import anomaly_indices


def test_the_index_is_the_papers():
    norms = [20.0, 100.0, 104.0, 96.0, 110.0]  # median 100, deviations 80, 0, 4, 4, 10
    assert anomaly_indices(norms)[0] == pytest.approx(80 / (1.4826 * 4))


def test_a_mad_of_zero_still_ranks_and_equal_norms_are_no_outliers():
    assert anomaly_indices([50.0] * 4) == [0.0] * 4
    indices = anomaly_indices([10.0, 50.0, 50.0, 50.0])
    assert indices[0] == pytest.approx(40 / 0.5)
    assert indices[1:] == [0.0] * 3


def test_norms_of_zero_are_finite():
    assert anomaly_indices([0.0, 0.0, 0.0]) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_norms_that_are_no_numbers_are_refused(odd):
    with pytest.raises(ValueError, match="norms must be finite numbers; got"):
        anomaly_indices([1.0, odd, 3.0])


def test_two_norms_are_too_few():
    with pytest.raises(ValueError, match="at least three norms; got 2"):
        anomaly_indices([1.0, 2.0])
