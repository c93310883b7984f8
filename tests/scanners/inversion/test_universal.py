"""Universal triggers: their settings, and the images that they are optimised on."""

from dataclasses import replace

import pytest
import torch

from exray.scanners.inversion.universal import UniversalSettings, pool_of, universal_candidate

UNIVERSAL = UniversalSettings(share=0.95, max_size_share=0.2, images_per_step=6)


def test_a_pool_takes_its_victims_in_turn_and_leaves_no_image_out(colour_samples):
    few = colour_samples.select(torch.arange(18) > 2)  # three of class 0, six of the others
    candidate = universal_candidate(1, [0, 1, 2])
    pool = pool_of(few, candidate)
    red, blue = few.of_class(0), few.of_class(2)
    assert len(pool) == 9
    assert torch.equal(pool[0:6:2], red)
    assert torch.equal(pool[1:6:2], blue[:3])
    assert torch.equal(pool[6:], blue[3:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 1.5}, r"share must be a fraction in \[0, 1\]; got 1.5"),
        ({"max_size_share": 0.0}, r"max_size_share must lie in \(0, 1\).*got 0.0"),
        ({"images_per_step": 0}, "images_per_step must be >= 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(UNIVERSAL, **changes)
