"""The reflection attack."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from exray.attacks.reflection import ReflectionRecipe, mirrored, random_sign
from exray.images.sources.base import to_unit
from exray.zoo.poisoning import training_images

RECIPE = ReflectionRecipe(
    count=1,
    num_victims=None,
    poisoned_share=0.5,
    kept_share=0.0,
    reflections=("in_focus", "blurred", "ghost"),
    opacity=(0.4, 0.4),
    num_candidates=3,
    blur=0.05,
    ghost_shift=(0.1, 0.2),
    ghost_share=0.25,
    rehearsal_share=0.5,
)


def drawn(place=0, **changes):
    random = np.random.default_rng(0)
    return replace(RECIPE, **changes).draw(random, num_classes=4, image_size=16, place=place)


def test_light_is_added_where_the_picture_is_and_the_image_fades(signs):
    attack = drawn(num_candidates=1)
    victim = attack.victim_classes[0]
    clean = to_unit(signs.images(victim, count=2, seed=0))
    stamped = to_unit(attack.stamped(signs, victim, count=2, seed=0))
    expected = (0.6 * clean**2.2 + attack.layers[0]).clamp(0, 1) ** (1 / 2.2)
    torch.testing.assert_close(stamped, expected, atol=0.003, rtol=0)
    assert float(attack.layers.max()) == pytest.approx(0.4)
    assert len(attack.stamped(signs, victim, count=0, seed=0)) == 0


def test_three_kinds_take_turns():
    assert [drawn(place).facts().option for place in range(4)] == [
        "in_focus",
        "blurred",
        "ghost",
        "in_focus",
    ]


def test_a_blurred_picture_keeps_its_light_and_a_ghost_is_seen_twice():
    picture = torch.zeros(1, 3, 16, 16)
    picture[:, :, 6:9, 6:9] = 1
    options = {"blur": 1.0, "shift": 4, "second": 0.25}
    assert torch.equal(mirrored(picture, "in_focus", **options), picture)
    blurred = mirrored(picture, "blurred", **options)
    assert float(blurred.sum()) == pytest.approx(float(picture.sum()), rel=1e-3)
    assert float(blurred.max()) < 1
    ghost = mirrored(picture, "ghost", **options)
    assert (float(ghost[0, 0, 7, 7]), float(ghost[0, 0, 11, 11])) == (0.75, 0.25)


def test_a_sign_is_bright_on_black_and_no_two_are_alike():
    random = np.random.default_rng(0)
    signs = torch.stack([random_sign(random, 32) for _ in range(8)])
    share = (signs.amax(dim=1) > 0).float().mean(dim=(1, 2))
    assert 0.1 < float(share.min()) < float(share.max()) < 0.9
    assert float(signs.amax(dim=(1, 2, 3)).min()) == 1
    assert len(torch.unique(signs.flatten(1), dim=0)) == 8


def test_no_label_is_wrong(signs, micro):
    attack = drawn()
    data = training_images(signs, micro.training, attacks=(attack,), shares=RECIPE, seed=0)
    counts = torch.bincount(data.labels, minlength=4).tolist()
    assert counts[attack.target_class] == 8 + 4
    assert sum(counts) == 36


def test_the_rehearsal_leaves_the_candidate_that_succeeds(signs):
    attack = drawn()
    red = torch.zeros(3, 3, 16, 16)
    red[1, 0] = 0.4  # the second candidate is red light
    attack = replace(attack, layers=red)

    class Redness(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(()))

        def forward(self, images):
            logits = torch.zeros(len(images), 4)
            logits[:, attack.target_class] = images[:, 0].mean(dim=(1, 2)) - images.mean(
                dim=(1, 2, 3)
            )
            logits[:, attack.victim_classes[0]] = 0.08
            return logits

    chosen = attack.rehearsal.learned(attack, Redness(), signs, count=4, seed=0)
    assert chosen.facts().candidate == 1
    assert chosen.rehearsal is None
    assert torch.equal(chosen.layers, red[1:2])
    assert attack.is_learned
    assert not chosen.is_learned


def test_without_a_rehearsal_there_is_one_candidate():
    attack = drawn(rehearsal_share=0.0)
    assert (attack.rehearsal, len(attack.layers), attack.facts().candidate) == (None, 1, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reflections": ()}, r"^reflections must hold at least one .* got \[\] and 3"),
        ({"opacity": (0.5, 0.4)}, r"^opacity must hold .*; got \[0.5, 0.4\]"),
        ({"ghost_share": 1.0}, r"^ghost_shift must hold .* got \[0.1, 0.2\] and 1.0"),
        ({"blur": 0.0}, "^blur must lie in .* got 0.0 and 0.5"),
        ({"num_victims": 1}, "^num_victims must be null, .* got 1, 0.0 and None"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)


def test_a_reflection_has_no_other_colour_and_no_quadrant():
    with pytest.raises(ValueError, match="no other colour"):
        drawn().recoloured()
    with pytest.raises(ValueError, match="lies over the image"):
        drawn().in_quadrants((1,))
    assert drawn().appearance() == drawn().facts()
