"""A trigger's card holds what was stored of it, and nothing else."""

import math
from dataclasses import replace

import numpy as np
import pytest

from exray.reports.trigger_cards import Bar, images_of, masks_of, tensors_of, trigger_card


def test_a_card_holds_the_images_and_masks_of_its_own_trigger(make_trigger, make_tensors):
    tensors = make_tensors(1) | make_tensors(11)
    card = trigger_card(make_trigger(1, is_injected=True), tensors)
    captions = [picture.caption for picture in card.pictures]
    assert captions == ["victim", "trigger", "victim + trigger", "target"]
    assert all(picture.is_small for picture in card.pictures)
    assert [picture.note for picture in card.masks][:2] == [
        "victim vs target",
        "victim vs victim + trigger",
    ]
    assert len(card.masks) == 3
    own = tensors_of(tensors, 1)
    assert own.keys() == {name.removeprefix("trigger_1/") for name in make_tensors(1)}
    np.testing.assert_array_equal(own["victim_image"], tensors["trigger_1/victim_image"])


def test_masks_of_different_lengths_are_not_laid_over_each_other(make_trigger, make_tensors):
    tensors = make_tensors(0)
    tensors["trigger_0/mask_victim_stamped"] = np.ones(7, np.float32)
    masks = trigger_card(make_trigger(0, is_injected=False), tensors).masks
    assert [picture.caption for picture in masks] == [
        "M1: 4.0 of 20 channels",  # the stored sum
        "M2: 7.0 of 7 channels",  # no sum was stored
    ]


def test_bars_are_the_measurements_there_are_with_their_thresholds(make_trigger):
    trigger = make_trigger(0, is_injected=False, cross_target_into_victim=math.nan)
    bars = trigger_card(trigger, {}).bars
    assert [bar.label for bar in bars] == [
        "similarity I1", "similarity I2", "M2: victim into target",
    ]  # fmt: skip
    assert [bar.is_over for bar in bars] == [False, False, True]
    assert trigger_card(trigger, {}).thresholds == {"beta": 0.8, "gamma": 0.8}
    alone = replace(trigger, measurements={"similarity": 0.9}, thresholds={})
    (bar,) = trigger_card(alone, {}).bars
    assert (bar.label, bar.threshold, bar.is_over) == ("similarity", None, False)


@pytest.mark.parametrize(("value", "percent"), [(-1.0, 0.0), (0.25, 25.0), (3.0, 100.0)])
def test_a_bar_stays_on_its_scale(value, percent):
    bar = Bar(label="", value=value, threshold=value, symbol="beta")
    assert bar.percent == percent
    assert not bar.is_over  # equal is not over


def test_convergence_and_truth_are_remarked_where_they_are_known(make_trigger):
    trigger = make_trigger(0, is_injected=True)
    words = ["M1 converged", "M2 did not converge"]
    assert trigger_card(trigger, {}).remarks == words
    for truth, word in (
        (True, "truth: the injected pair"),
        (False, "truth: not the injected pair"),
    ):
        card = trigger_card(replace(trigger, is_true_trigger=truth), {})
        assert card.remarks == [*words, word]


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (
            0.87,
            "batch norms: as if 13 % of the training had borne it, which explains 87 % of what "
            "clean images do not",
        ),
        (0.04, "batch norms: next to nothing of what they stored points to images with it"),
    ],
)
def test_what_the_batch_norms_hold_of_a_trigger_is_remarked(make_trigger, gain, words):
    trigger = make_trigger(0, is_injected=True, stamped_gain=gain, stamped_share=0.13)
    assert trigger_card(trigger, {}).remarks[2:] == [words]
    lacking = replace(trigger, measurements={"stamped_gain": math.nan, "stamped_share": 0.1})
    assert trigger_card(lacking, {}).remarks == []


def test_only_rgb_images_and_vectors_are_drawn():
    images = {
        "a": np.zeros((4, 4, 3), np.uint8),
        "b": np.zeros((4, 4, 3), np.float32),
        "c": np.zeros((3, 4, 4), np.uint8),
        "d": np.zeros((0, 4, 3), np.uint8),
    }
    assert list(images_of(images, ("e", "d", "c", "b", "a"))) == ["a"]
    masks = {
        "mask_victim_target": np.array([-1.0, 0.25, np.nan, 7.0]),
        "mask_victim_stamped": np.zeros((2, 2)),
        "other": np.zeros(3),
    }
    (mask,) = masks_of(masks).values()
    assert mask.tolist() == [0.0, 0.25, 0.0, 1.0]
