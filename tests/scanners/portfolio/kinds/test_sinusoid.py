import pytest

from exray.scanners.portfolio.kinds.sinusoid import SinusoidKind


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amplitude": 0.0}, "amplitude must be a fraction"),
        ({"cycles": 0}, "cycles must be >= 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        SinusoidKind(**{"amplitude": 0.1, "cycles": 4, **changes})
