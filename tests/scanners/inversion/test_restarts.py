"""Several starts of one candidate: the best counts, and how far the others agree is recorded."""

from dataclasses import replace

import pytest
import torch

from exray.scanners.inversion.restarts import agreement, best_of_restarts
from exray.triggers.patch import PatchTrigger

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("scanner", ["abs_patches", "abs_filter", "neural_cleanse", "k_arm"])
def test_several_starts_find_the_injected_trigger_once_and_say_how_far_they_agree(
    scanners, planted, colours, scanner
):
    result = scanners[scanner](restarts=2).scan(planted(scanner), colours)
    pairs = [(trigger.victim_class, trigger.target_class) for trigger in result.triggers]
    assert len(pairs) == len(set(pairs))
    measurements = [
        trigger.measurements for trigger in result.triggers if trigger.target_class == 1
    ]
    assert measurements
    for agreed in measurements:
        assert agreed["restarts"] == 2
        assert agreed["restarts_found"] in (0.5, 1)
        measured = agreed["restarts_found"] == 1 and scanner != "abs_filter"
        assert ("restarts_overlap" in agreed) == measured


def test_a_single_start_says_nothing_of_agreement(scanners, planted, colours):
    result = scanners["abs_patches"]().scan(planted("abs_patches"), colours)
    assert result.triggers
    assert all(trigger.measurements == {} for trigger in result.triggers)


def square(rows):
    mask = torch.zeros(4, 4)
    mask[:rows] = 1
    return PatchTrigger(mask=mask, pattern=torch.ones(3, 4, 4))


def test_disagreement_is_recorded(white_patch):
    strongest = replace(white_patch, trigger=square(1))
    weaker = replace(white_patch, trigger=square(4))
    other = replace(white_patch, target_class=2)
    first, second = best_of_restarts([strongest, other, weaker], restarts=3)
    assert first.trigger is strongest.trigger
    assert first.measurements == {
        "restarts": 3,
        "restarts_found": pytest.approx(2 / 3),
        "restarts_overlap": 0.25,
    }
    assert second.measurements == {"restarts": 3, "restarts_found": pytest.approx(1 / 3)}


def test_patches_that_do_not_meet_overlap_by_nothing():
    below = PatchTrigger(mask=1 - square(2).mask, pattern=torch.ones(3, 4, 4))
    assert agreement(square(2), [below], restarts=2)["restarts_overlap"] == 0


@pytest.mark.parametrize("scanner", ["abs_patches", "abs_filter", "neural_cleanse", "k_arm"])
def test_no_start_at_all_is_refused(scanners, scanner):
    with pytest.raises(ValueError, match=r"restarts must be >= 1; got 0"):
        scanners[scanner](restarts=0)
