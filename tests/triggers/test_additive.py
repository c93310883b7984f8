"""A signal added to every pixel."""

import pytest
import torch

from exray.triggers.additive import AdditiveTrigger
from exray.triggers.serialization import from_storage, to_storage


def test_the_signal_is_added_and_the_sum_kept_within_zero_and_one():
    signal = torch.tensor([0.25, -0.25]).expand(3, 1, 2).clone()
    trigger = AdditiveTrigger(signal=signal)
    images = torch.tensor([0.9, 0.1]).expand(2, 3, 1, 2)
    assert trigger.apply(images)[1, 2].tolist() == [[1.0, 0.0]]
    torch.testing.assert_close(trigger.apply(torch.full((1, 3, 1, 2), 0.5))[0] - 0.5, signal)
    assert trigger.input_size == (1, 2)


def test_pixels_that_rounding_may_hide_do_not_count():
    signal = torch.zeros(3, 2, 2)
    signal[0, 0, 0], signal[1, 0, 1] = 1 / 255, -2 / 255
    assert AdditiveTrigger(signal=signal).size_pixels == 1


def test_its_portrait_is_the_signal_on_gray_and_a_file_keeps_it():
    trigger = AdditiveTrigger(signal=0.1 * torch.randn(3, 4, 5).clamp(-1, 1))
    drawn = trigger.portrait(torch.zeros(1, 3, 4, 5))
    torch.testing.assert_close(drawn, 0.5 + trigger.signal)
    again = from_storage(*to_storage(trigger), device=torch.device("cpu"))
    assert torch.equal(again.signal, trigger.signal)


@pytest.mark.parametrize("value", [1.5, float("nan")])
def test_a_signal_beyond_the_range_is_refused(value):
    with pytest.raises(ValueError, match=r"^signal must lie in \[-1, 1\]; got values from"):
        AdditiveTrigger(signal=torch.full((3, 1, 1), value))
