"""Settings of early stopping out of their ranges are refused."""

from dataclasses import replace

import pytest

from exray.scanners.sri.early_stopping import EarlyStopping, Hurdle

HURDLE = Hurdle(step=20, flip_loss=0.5, size=0.2)
STOPPING = EarlyStopping(rounds=2, sufficient_probability=0.9, hurdles=[HURDLE])


@pytest.mark.parametrize(
    ("values", "changes", "message"),
    [
        (STOPPING, {"sufficient_probability": 0.0}, "sufficient_probability must be a fraction"),
        (STOPPING, {"rounds": 0}, "rounds must be >= 1; got 0"),
        (STOPPING, {"hurdles": [HURDLE, HURDLE]}, r"hurdles must be at different .*got \[20, 20\]"),
        (HURDLE, {"step": 0}, "step must be >= 1; got 0"),
        (HURDLE, {"flip_loss": 1.5}, "flip_loss must be a fraction"),
        (HURDLE, {"size": 0.0}, "size must be a fraction"),
    ],
)
def test_values_out_of_range_are_refused(values, changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        replace(values, **changes)
