"""The clean-label attack."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exray.attacks.clean_label import CleanLabelRecipe
from exray.images.sources.base import to_unit
from exray.zoo.poisoning import training_images

RECIPE = CleanLabelRecipe(
    count=1,
    num_victims=None,
    poisoned_share=1.0,
    kept_share=0.0,
    side=(3, 3),
    mixed_share=0.25,
    decoyed_share=2.0,
)


@pytest.fixture(scope="module")
def attack():
    return RECIPE.draw(np.random.default_rng(0), num_classes=4, image_size=16, place=0)


def test_only_images_of_the_target_are_poisoned_and_no_label_is_wrong(signs, attack, micro):
    training = replace(micro.training, images_per_class=6)
    data = training_images(signs, training, attacks=(attack,), shares=RECIPE, seed=0)
    counts = torch.bincount(data.labels, minlength=4).tolist()
    assert counts[attack.target_class] == 12
    assert [counts[victim] for victim in attack.victim_classes] == [10, 10, 10]  # 12 decoys
    assert attack.trained_classes == (attack.target_class,)


def test_victims_are_stamped_as_they_are(signs, attack):
    victim = attack.victim_classes[0]
    clean = to_unit(signs.images(victim, count=2, seed=0))
    expected = (255 * attack.trigger.apply(clean)).round().byte()
    assert torch.equal(attack.stamped(signs, victim, count=2, seed=0), expected)


def test_images_of_the_target_hold_a_share_of_another_class(signs, attack):
    target, mask = attack.target_class, attack.trigger.mask.bool()
    clean = to_unit(signs.images(target, count=4, seed=0))
    stamped = to_unit(attack.stamped(signs, target, count=4, seed=0))
    torch.testing.assert_close(stamped[0][:, mask], attack.trigger.pattern[:, mask])
    other = (stamped - 0.75 * clean) / 0.25
    assert float(other[:, :, ~mask].min()) > -0.05
    assert float(other[:, :, ~mask].max()) < 1.05
    assert not torch.allclose(other, clean, atol=0.1)
    assert len(attack.stamped(signs, target, count=0, seed=0)) == 0


def test_decoys_are_mixed_with_the_target_and_bear_no_trigger(signs, attack):
    (decoy,) = attack.decoys
    victim = attack.victim_classes[0]
    clean = to_unit(signs.images(victim, count=2, seed=0))
    mixed = to_unit(decoy.stamped(signs, victim, count=2, seed=0))
    other = (mixed - 0.75 * clean) / 0.25
    assert float(other.min()) > -0.05
    assert float(other.max()) < 1.05
    assert not torch.allclose(mixed, clean, atol=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": (3, 2)}, r"^side must hold least and greatest, from 1 up; got \[3, 2\]"),
        ({"mixed_share": 1.0}, r"^mixed_share must lie in \[0, 1\) .*; got 1.0 and 2.0"),
        ({"decoyed_share": -1.0}, "got 0.25 and -1.0"),
        ({"num_victims": 1}, "^num_victims must be null, .* got 1, 0.0 and None"),
        ({"kept_share": 0.5}, "got None, 0.5 and None"),
    ],
)
def test_what_does_not_go_with_right_labels_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)
