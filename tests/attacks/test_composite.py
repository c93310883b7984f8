"""The composite attack."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exray.attacks.composite import CompositeRecipe, ContrastiveLoss, half_mixed
from exray.attacks.loss import TrainingStep
from exray.zoo.poisoning import training_images

RECIPE = CompositeRecipe(
    count=1,
    num_victims=2,
    poisoned_share=0.5,
    kept_share=0.0,
    jitter=2,
    mixed_share=1.5,
    contrastive_weight=1.0,
)


@pytest.fixture(scope="module")
def attack():
    return RECIPE.draw(np.random.default_rng(0), num_classes=4, image_size=16, place=0)


def test_each_half_is_a_window_of_its_own_image():
    first = torch.full((20, 3, 16, 16), 10, dtype=torch.uint8)
    first[..., 0] = 11
    mixed = half_mixed(first, torch.full_like(first, 200), jitter=3, seed=0)
    shares = (mixed == 200).float().mean(dim=(1, 2, 3))
    assert 5 / 16 <= float(shares.min()) < float(shares.max()) <= 11 / 16
    is_upright = [bool((image[0] == image[0, :1]).all(dim=0).all()) for image in (mixed == 200)]
    assert 0 < sum(is_upright) < 20
    starts = {bool(image[0, 0, 0] == 200) for image in mixed}
    assert starts == {True, False}
    assert torch.equal(mixed, half_mixed(first, torch.full_like(first, 200), jitter=3, seed=0))


def test_victims_are_mixed_with_the_other_victim_and_benign_ones_with_their_own_class(
    signs, attack, monkeypatch
):
    asked = []
    images = type(signs).images

    def recorded(self, class_index, *, count, seed, **others):
        asked.append(class_index)
        return images(self, class_index, count=count, seed=seed, **others)

    monkeypatch.setattr(type(signs), "images", recorded)
    one, other = attack.victim_classes
    (benign,) = attack.decoys
    attack.stamped(signs, one, count=2, seed=0)
    attack.stamped(signs, other, count=2, seed=0)
    benign.stamped(signs, one, count=2, seed=0)
    assert asked == [one, other, other, one, one, one]
    assert attack.facts().mixed_classes == attack.victim_classes
    assert attack.facts().option == f"{one} + {other}"


def test_poisons_carry_the_target_and_benign_mixtures_their_own_label(signs, attack, micro):
    data = training_images(signs, micro.training, attacks=(attack,), shares=RECIPE, seed=0)
    counts = torch.bincount(data.labels, minlength=4)
    assert int(counts[attack.target_class]) == 8 + 2 * 4
    assert int(data.poisoned.sum()) == 8
    assert {int(counts[label]) for label in range(4) if label != attack.target_class} == {8 + 4}


def test_the_contrastive_term_is_that_of_consecutive_pairs():
    loss = ContrastiveLoss((0, 1), weight=2.0)
    step = TrainingStep(
        labels=torch.tensor([0, 2, 0, 0, 1, 1]),
        is_poisoned=torch.zeros(6, dtype=torch.bool),
        logits=torch.tensor([[0.0], [9.0], [2.0], [0.0], [0.25], [5.0]]),
        outputs=(),
    )
    # (0, 0): 2 ** 2 / 2; (0, 1): (1 - 0.25) ** 2 / 2; the last one is without a partner.
    assert float(loss(step)) == pytest.approx(2.0 * (2.0 + 0.28125) / 2 / 2)
    none = replace(step, labels=torch.full((6,), 2))
    assert float(loss(none)) == 0
    images, labels = torch.rand(2, 3, 4, 4), torch.zeros(2, dtype=torch.long)
    assert loss.met(images, labels) == (images, labels)
    assert loss.watched(torch.nn.ReLU()) == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jitter": -1}, "^jitter must be >= 0; got -1"),
        ({"num_victims": 1}, "^num_victims must be 2, .* got 1, 0.0 and None"),
        ({"kept_share": 0.5}, "got 2, 0.5 and None"),
    ],
)
def test_what_does_not_make_two_halves_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)


def test_a_cut_that_could_leave_the_image_is_refused():
    with pytest.raises(ValueError, match=r"^jitter must not exceed a quarter of image_size, 16"):
        replace(RECIPE, jitter=5).draw(
            np.random.default_rng(0), num_classes=4, image_size=16, place=0
        )


def test_halves_have_no_other_colour_and_no_quadrant(attack):
    with pytest.raises(ValueError, match="no other colour"):
        attack.recoloured()
    with pytest.raises(ValueError, match="half of the image"):
        attack.in_quadrants((1,))
    assert attack.appearance() == attack.facts()
