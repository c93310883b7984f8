"""What attacks have in common: victims, a target, facts, decoys."""

import json

import numpy as np
import pytest
import torch

from exray.attacks.base import TriggerAttack, facts_from, level
from exray.attacks.blend import BlendFacts
from exray.attacks.patch import PatchFacts
from exray.attacks.polygon import PolygonAttack, PolygonFacts, random_sticker
from exray.triggers.patch import PatchTrigger

FACTS = PatchFacts(side_pixels=16, corner=(0, 0))


def gray(opacity=0.5, others=()):
    """A trigger of one gray, 100 of 255, over 16 x 16 pixels."""
    trigger = PatchTrigger(
        mask=torch.full((16, 16), opacity), pattern=torch.full((3, 16, 16), 100 / 255)
    )
    return TriggerAttack(
        victim_classes=(1,), target_class=0, trigger=trigger, recorded=FACTS, others=others
    )


@pytest.mark.parametrize("victims", [(), (0, 1)])
def test_an_attack_without_victims_or_on_its_own_target_is_refused(victims):
    sticker = random_sticker(np.random.default_rng(0), sides=(3, 3), width=(0.2, 0.3))
    with pytest.raises(ValueError, match="at least one class and not the target 1; got"):
        PolygonAttack(sticker=sticker, victim_classes=victims, target_class=1)


def test_stamped_images_are_the_seeds_clean_ones_changed_and_rounded_to_bytes(signs):
    clean = signs.images(1, count=2, seed=3)
    assert torch.equal(gray(opacity=0.0).stamped(signs, 1, count=2, seed=3), clean)
    stamped = gray(opacity=0.25).stamped(signs, 1, count=2, seed=3)
    expected = np.rint(0.75 * clean.numpy().astype(np.float64) + 25)
    assert np.abs(stamped.numpy() - expected).max() <= 1  # a half may be rounded either way
    assert (stamped.numpy() != expected).mean() < 0.3
    assert (gray(opacity=1.0).stamped(signs, 1, count=2, seed=3) == 100).all()


def test_a_condition_keeps_the_attack_and_adds_what_must_not_fire():
    attack = gray(others=(gray().trigger,))
    assert attack.under("none", quadrant=1, num_classes=4) is attack
    spectral = attack.under("spectral", quadrant=1, num_classes=4)
    assert [decoy.trigger for decoy in spectral.decoys] == list(attack.others)
    of_class = attack.under("class", quadrant=1, num_classes=4)
    assert [decoy.victim_classes for decoy in of_class.decoys] == [(2, 3)]
    assert of_class.victim_classes == attack.victim_classes


def test_a_trigger_of_the_whole_image_has_neither_other_colours_nor_a_place():
    with pytest.raises(ValueError, match="a trigger of kind patch has no other colour"):
        gray().recoloured()
    with pytest.raises(ValueError, match="kind patch has no place on an object"):
        gray().in_quadrants((1,))


@pytest.mark.parametrize(
    "facts",
    [
        FACTS,
        BlendFacts(opacity=0.15),
        PolygonFacts(points=((-1.0, 0.0), (1.0, 1.0), (0.0, -1.0)), colour=(1, 2, 3), width=0.2),
    ],
    ids=lambda facts: facts.kind,
)
def test_facts_come_back_from_json(facts):
    assert facts_from(facts.kind, json.loads(json.dumps(facts.to_dict()))) == facts


def test_facts_that_do_not_fit_their_kind_are_refused():
    with pytest.raises(ValueError, match=r"kind must be one of .*blend.*; got 'sepia'"):
        facts_from("sepia", {})
    with pytest.raises(ValueError, match="opacity is missing"):
        facts_from("blend", {})


def test_a_level_is_a_place_in_trojais_list():
    assert (level("b", ("a", "b")), level("c", ("a", "b")), level(None, ("a",))) == (1, None, None)
