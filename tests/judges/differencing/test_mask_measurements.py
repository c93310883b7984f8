"""What is measured of masks that are given, not optimised."""

from dataclasses import replace

import pytest
import torch

from exray.judges.differencing.mask_measurements import measure_masks
from exray.judges.differencing.mask_search import MaskResult
from exray.judges.differencing.mask_similarity import similarity
from exray.judges.differencing.set_pairs import plan_pairs
from exray.models.splitting.split_classifier import SplitClassifier

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def measure(trojaned, colour_samples, mask_settings):
    """Measures given masks of some triggers, all of them converged but those at some places."""

    def measured(triggers, *, unconverged=()):
        split = SplitClassifier(trojaned, "relu", example=colour_samples.images[:2])
        plan = plan_pairs(split, colour_samples, triggers)
        count, channels = len(plan.pairs), plan.pairs.bank.shape[1]
        converged = torch.ones(count, dtype=torch.bool)
        for place in unconverged:
            converged[plan.second[place]] = False
        stream = torch.Generator().manual_seed(0)
        result = MaskResult(
            masks=torch.rand(count, channels, generator=stream),
            converged=converged,
            best_epoch=torch.zeros(count, dtype=torch.long),
            epochs=torch.full((count,), 5),
        )
        return plan, result, measure_masks(plan, result, mask_settings)

    return measured


@pytest.fixture
def patches(white_patch):
    """The patch that fires the detector, from other victims too."""
    return [replace(white_patch, victim_class=victim) for victim in (0, 2)]


@pytest.fixture
def tints(green_tint):
    """Natural triggers of four class pairs: each adds the target's own colour."""

    def tint(victim, target):
        pattern = green_tint.trigger.pattern.roll(target - green_tint.target_class, dims=0)
        trigger = replace(green_tint.trigger, pattern=pattern)
        return replace(green_tint, trigger=trigger, victim_class=victim, target_class=target)

    return [tint(victim, target) for victim, target in ((0, 1), (1, 2), (2, 0), (0, 2))]


def test_each_trigger_has_its_own_masks_and_numbers(measure, patches):
    plan, result, (one, other) = measure(patches)
    assert torch.equal(one.first, result.masks[plan.first[0]])
    assert torch.equal(other.second, result.masks[plan.second[1]])
    assert one.values["mask_sum_victim_target"] == pytest.approx(float(one.first.sum()))
    assert one.values["epochs_victim_stamped"] == 5


def test_a_trigger_that_flips_nothing_is_not_measured(measure, white_patch):
    _, _, measured = measure([replace(white_patch, target_class=2), white_patch])
    assert [one is None for one in measured] == [True, False]


def test_few_triggers_have_no_quantile_and_say_so(measure, patches):
    _, _, measured = measure(patches)
    assert all("similarity_quantile" not in one.values for one in measured)
    assert all(one.values["null_count"] == 0 for one in measured)


def test_the_quantile_ranks_a_similarity_among_those_of_other_class_pairs(measure, tints):
    _, _, measured = measure(tints)
    own, *others = measured
    null = [similarity(own.first, other.second).value for other in others]
    null += [similarity(other.first, own.second).value for other in others]
    below = sum(value < own.values["similarity"] for value in null)
    assert own.values["similarity_quantile"] == pytest.approx(below / 6)
    assert [one.values["null_count"] for one in measured] == [6.0] * 4


def test_a_mask_that_did_not_converge_has_no_quantile_and_is_in_no_others(measure, tints):
    doubled = [*tints, replace(tints[0], victim_class=2, target_class=1)]
    _, _, measured = measure(doubled, unconverged=[1])
    assert [one.values["null_count"] for one in measured] == [6.0, 0.0, 6.0, 6.0, 6.0]
    assert ["similarity_quantile" in one.values for one in measured] == [True, False, *[True] * 3]
