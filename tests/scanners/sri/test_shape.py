"""Schedules out of their ranges are refused."""

from dataclasses import replace

import pytest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be >= 1; got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive; got 0"),
    ],
)
def test_values_out_of_range_are_refused(polygons, changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        replace(polygons.schedule, **changes)
