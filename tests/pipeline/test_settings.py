"""The scan's settings refuse what is out of range."""

from dataclasses import replace

import pytest

from exray.pipeline.settings import ScanSettings

SETTINGS = ScanSettings(
    min_clean_accuracy=0.5,
    min_class_accuracy=0.5,
    min_images_per_class=1,
    samples_per_class=4,
    misclassified="drop",
    probability_without_triggers=0.1,
    temperature="fitted",
)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("min_clean_accuracy", 1.5, r"min_clean_accuracy must lie in \[0, 1\]; got 1.5"),
        ("min_class_accuracy", -0.5, r"min_class_accuracy must lie in \[0, 1\]; got -0.5"),
        ("probability_without_triggers", -1.0, "probability_without_triggers must lie in"),
        ("min_images_per_class", 0, "min_images_per_class must be >= 1; got 0"),
        ("samples_per_class", 0, "samples_per_class must be >= 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **{name: value})
