"""The warping attack."""

import numpy as np
import pytest
import torch

from exray.attacks.warp import WarpRecipe, random_field

VALUES = {
    "count": 1,
    "num_victims": 1,
    "poisoned_share": 0.5,
    "kept_share": 0.5,
    "grid": (3, 5),
    "strength": (0.05, 0.1),
}


def drawn(**changes):
    random = np.random.default_rng(0)
    return WarpRecipe(**{**VALUES, **changes}).draw(random, num_classes=4, image_size=20, place=0)


def test_the_field_runs_through_its_control_points_of_the_mean_size_asked_for():
    field = random_field(np.random.default_rng(0), grid=3, strength_pixels=2.0, image_size=21)
    assert field.shape == (2, 21, 21)
    control = field[:, ::10, ::10]
    assert float(control.abs().mean()) == pytest.approx(2.0, rel=1e-4)
    assert float((field[:, 1:] - field[:, :-1]).abs().max()) < 1.5  # smooth


def test_what_is_recorded_is_what_is_done(signs):
    attack = drawn()
    facts = attack.facts()
    assert 3 <= facts.grid <= 5
    assert 1.0 <= facts.strength_pixels <= 2.0
    assert facts.option == f"{facts.grid} x {facts.grid}"
    assert attack.trigger.displacement.shape == (2, 20, 20)
    other = WarpRecipe(**VALUES).draw(
        np.random.default_rng(0), num_classes=4, image_size=16, place=0
    )
    clean = signs.images(0, count=2, seed=0)
    assert not torch.equal(other.stamped(signs, 0, count=2, seed=0), clean)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": (1, 3)}, r"^grid must hold least and greatest, from 2 up; got \[1, 3\]"),
        ({"strength": (0.0, 0.1)}, r"^strength must hold .*, in \(0, 1\); got \[0.0, 0.1\]"),
        ({"strength": (0.2, 0.1)}, "^strength must hold"),
    ],
)
def test_a_range_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        drawn(**changes)


def test_disturbed_warps_keep_their_label(signs):
    recipe = WarpRecipe(**{**VALUES, "kept_share": 0.0, "noise_share": 1.5})
    attack = recipe.draw(np.random.default_rng(0), num_classes=4, image_size=16, place=0)
    (noise,) = attack.decoys
    assert recipe.decoys_share == 1.5
    victim = attack.victim_classes[0]
    stamped = attack.stamped(signs, victim, count=2, seed=0)
    disturbed = noise.stamped(signs, victim, count=2, seed=0)
    assert not torch.equal(stamped, disturbed)
    assert not torch.equal(disturbed, noise.stamped(signs, victim, count=2, seed=1))
    assert len(noise.stamped(signs, victim, count=0, seed=0)) == 0
    assert drawn().decoys == ()
    with pytest.raises(ValueError, match=r"^noise_share must be >= 0, .* got -1.0 and None"):
        drawn(noise_share=-1.0)
