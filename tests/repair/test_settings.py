"""A repair's settings refuse what is out of range, by name."""

from dataclasses import replace

import pytest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rounds": 0}, "rounds must be >= 1; got 0"),
        ({"max_accuracy_drop": 1.5}, r"max_accuracy_drop must be a fraction in \[0, 1\]; got 1.5"),
        ({"held_out_share": 1.0}, r"held_out_share must lie in \(0, 1\); got 1.0"),
        ({"min_images_per_class": 1}, "min_images_per_class must be >= 2; got 1"),
    ],
)
def test_a_value_out_of_range_is_refused(settings, change, said):
    with pytest.raises(ValueError, match=said):
        replace(settings, **change)
