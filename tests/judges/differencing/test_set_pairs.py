"""Which sets are differenced for which trigger, and of which rows they are."""

from dataclasses import replace

import pytest
import torch

from exray.judges.differencing.set_pairs import plan_pairs
from exray.models.splitting.split_classifier import SplitClassifier

pytestmark = pytest.mark.usefixtures("one_thread")


def planned(classifier, samples, triggers):
    split = SplitClassifier(classifier, "relu", example=samples.images[:2])
    return plan_pairs(split, samples, triggers)


def test_triggers_of_one_class_pair_share_the_clean_pair_and_have_their_own_stamped_one(
    trojaned, colour_samples, white_patch, green_tint
):
    from_blue = replace(green_tint, victim_class=2)
    triggers = [white_patch, green_tint, from_blue]
    plan = planned(trojaned, colour_samples, triggers)
    assert plan.first == [0, 0, 3]
    assert plan.second == [1, 2, 4]
    clean, stamped, tinted, *_ = plan.pairs.pairs
    assert (clean.first, clean.second) == (tuple(range(6)), tuple(range(6, 12)))
    assert (stamped.first, stamped.second) == (tuple(range(6)), tuple(range(18, 24)))
    assert tinted.second == tuple(range(24, 30))
    assert (clean.one_to_one, stamped.one_to_one) == (False, True)
    assert (stamped.first_class, stamped.second_class) == (0, 1)


def test_the_head_answers_the_banks_rows_as_the_classifier_answers_their_images(
    trojaned, colour_samples, white_patch
):
    plan = planned(trojaned, colour_samples, [white_patch])
    stamped = white_patch.trigger.apply(colour_samples.of_class(0))
    images = torch.cat([colour_samples.images, stamped])
    torch.testing.assert_close(plan.head(plan.pairs.bank), trojaned.predict(images))


def test_a_trigger_that_flips_nothing_has_strengths_but_no_pairs(
    clean_twin, colour_samples, white_patch
):
    plan = planned(clean_twin, colour_samples, [white_patch])
    assert (plan.pairs, plan.first, plan.second) == (None, [None], [None])
    (strength,) = plan.strengths
    assert (strength["flipped"], strength["size_share"]) == (0, 36 / 256)
