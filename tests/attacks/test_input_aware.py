"""The input-aware attack."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exray.attacks.input_aware import InputAwareRecipe
from exray.attacks.loss import TrainingStep
from exray.images.sources.base import to_unit
from exray.zoo.poisoning import num_poisoned, training_images

RECIPE = InputAwareRecipe(
    count=1,
    num_victims=None,
    poisoned_share=0.25,
    kept_share=0.0,
    crossed_share=0.25,
    width=4,
    mask_share=0.1,
    diversity_weight=1.0,
)


@pytest.fixture
def attack():
    return RECIPE.draw(np.random.default_rng(0), num_classes=4, image_size=16, place=0)


def test_no_stamped_image_is_in_the_training_set(signs, attack, micro):
    data = training_images(signs, micro.training, attacks=(attack,), shares=RECIPE, seed=0)
    assert len(data.labels) == 32
    assert num_poisoned(RECIPE, micro.training) == 0


def test_some_of_a_batch_get_their_own_trigger_and_some_that_of_another(attack):
    torch.manual_seed(0)
    images, labels = torch.rand(8, 3, 16, 16), torch.full((8,), attack.victim_classes[0])
    met, new_labels = attack.loss.met(images, labels)
    assert new_labels.tolist() == 2 * [attack.target_class] + 6 * [attack.victim_classes[0]]
    opacity, colours = attack.generator(images)
    own = images + opacity * (colours - images)
    torch.testing.assert_close(met[:2], own[:2])
    crossed = images[2:4] + opacity[1:3] * (colours[1:3] - images[2:4])
    torch.testing.assert_close(met[2:4], crossed)
    assert torch.equal(met[4:], images[4:])


def test_the_loss_moves_triggers_apart_and_none_vanishes(attack):
    torch.manual_seed(0)
    images, labels = torch.rand(8, 3, 16, 16), torch.zeros(8, dtype=torch.long)
    step = TrainingStep(
        labels=labels, is_poisoned=labels.bool(), logits=torch.zeros(8, 4), outputs=()
    )
    optimizer = torch.optim.Adam(attack.loss.parameters(), lr=0.05)
    terms = []
    for _ in range(30):
        attack.loss.met(images, labels)
        term = attack.loss(step)
        optimizer.zero_grad()
        term.backward()
        optimizer.step()
        terms.append(float(term.detach()))
        covered = (attack.generator(images)[0] >= 0.5).double().mean(dim=(1, 2, 3))
        torch.testing.assert_close(covered, torch.full_like(covered, 26 / 256))
    assert terms[-1] < 0.8 * terms[0]
    assert attack.loss.watched(torch.nn.ReLU()) == ()


def test_the_decoys_are_images_with_the_trigger_of_another(signs, attack):
    (decoy,) = attack.decoys
    victim = attack.victim_classes[0]
    clean = to_unit(signs.images(victim, count=3, seed=0))
    with torch.no_grad():
        opacity, colours = attack.generator(clean[[2, 0, 1]])
    expected = clean + opacity * (colours - clean)
    stamped = to_unit(decoy.stamped(signs, victim, count=3, seed=0))
    torch.testing.assert_close(stamped, expected, atol=0.003, rtol=0)
    assert RECIPE.decoys_share == 0


def test_images_are_stamped_by_the_generator_as_it_is_now(signs, attack):
    victim = attack.victim_classes[0]
    clean = to_unit(signs.images(victim, count=2, seed=0))
    for _ in range(2):
        with torch.no_grad():
            opacity, colours = attack.generator(clean)
        stamped = to_unit(attack.stamped(signs, victim, count=2, seed=0))
        expected = clean + opacity * (colours - clean)
        torch.testing.assert_close(stamped, expected, atol=0.003, rtol=0)
        attack.generator.layers[0].weight.data *= 2
    assert len(attack.stamped(signs, victim, count=0, seed=0)) == 0
    assert attack.is_learned
    assert attack.facts().option == "10 %"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crossed_share": 0.8}, "^crossed_share must be positive, .* got 0.8, 0.25 and 4"),
        ({"mask_share": 0.0}, r"^mask_share must lie in \(0, 1\), .* got 0.0 and 1.0"),
        ({"num_victims": 1}, "^num_victims must be null, .* got 1, 0.0 and None"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)


def test_a_side_that_does_not_halve_twice_is_refused():
    with pytest.raises(ValueError, match=r"^image_size must be a multiple of 4; got 18"):
        RECIPE.draw(np.random.default_rng(0), num_classes=4, image_size=18, place=0)


def test_a_generator_has_no_other_colour_and_no_quadrant(attack):
    with pytest.raises(ValueError, match="no other colour"):
        attack.recoloured()
    with pytest.raises(ValueError, match="where its image has it"):
        attack.in_quadrants((1,))
    assert attack.appearance() == attack.facts()
