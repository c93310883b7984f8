"""The sinusoid attack."""

import numpy as np
import pytest
import torch

from exray.attacks.sinusoid import SinusoidFacts, SinusoidRecipe, sinusoid

VALUES = {
    "count": 1,
    "num_victims": None,
    "poisoned_share": 0.5,
    "kept_share": 0.0,
    "amplitude": (0.04, 0.12),
    "cycles": (2, 4),
    "directions": ("horizontal", "vertical"),
}


def drawn(place=0, **changes):
    random = np.random.default_rng(0)
    recipe = SinusoidRecipe(**{**VALUES, **changes})
    return recipe.draw(random, num_classes=4, image_size=16, place=place)


def test_each_row_of_a_horizontal_signal_is_the_same_wave():
    facts = SinusoidFacts(amplitude=0.1, cycles=4, direction="horizontal")
    signal = sinusoid(facts, 16)
    torch.testing.assert_close(signal[0, 0, :4], torch.tensor([0.0, 0.1, 0.0, -0.1]))
    assert (signal == signal[:1, :1]).all()
    vertical = sinusoid(SinusoidFacts(amplitude=0.1, cycles=4, direction="vertical"), 16)
    assert torch.equal(vertical, signal.mT)


def test_a_diagonal_signal_depends_on_the_sum_of_row_and_column():
    signal = sinusoid(SinusoidFacts(amplitude=0.1, cycles=1, direction="diagonal"), 8)
    torch.testing.assert_close(signal[0, 1, 2], signal[0, 3, 0])
    assert signal[0, 2, 0] == pytest.approx(0.1)


def test_directions_take_turns_and_parameters_stay_in_their_ranges():
    assert [drawn(place).facts().direction for place in range(3)] == [
        "horizontal",
        "vertical",
        "horizontal",
    ]
    attack = drawn()
    facts = attack.facts()
    assert 0.04 <= facts.amplitude <= 0.12
    assert 2 <= facts.cycles <= 4
    assert torch.equal(attack.trigger.signal, sinusoid(facts, 16))
    assert len(attack.victim_classes) == 3
    assert facts.option == "horizontal"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amplitude": (0.0, 0.1)}, r"^amplitude must hold .*; got \[0.0, 0.1\]"),
        ({"amplitude": (0.2, 0.1)}, "^amplitude must hold least and greatest"),
        ({"cycles": (0, 2)}, "^cycles must hold least and greatest, from 1 up"),
        ({"directions": ()}, "^directions must hold at least one; got none"),
    ],
)
def test_a_range_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        drawn(**changes)
