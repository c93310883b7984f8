"""Squares start on blocks and shrink to their best part."""

import pytest
import torch

from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.universal import universal_candidate
from exray.scanners.portfolio.kinds.square import SquareKind
from exray.scanners.portfolio.stages import Stage, StagedInversion

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
ADAM = InversionSettings(learning_rate=0.3, betas=(0.5, 0.9), noise=0.0, seed=0)


@pytest.fixture
def squares(probe):
    return SquareKind(probe=probe, side=5 / 16)


def test_each_reach_has_starts_of_its_own(scene_of, planted, coloured, squares, probe):
    scene = scene_of(planted("pixel"), coloured)
    probed = probe.results(scene)
    universal = universal_candidate(1, scene.present)
    assert squares.starts(scene, universal) == probed.targets[1]
    assert squares.starts(scene, Candidate(victims=(0,), target=1)) == probed.pairs[0, 1]
    free = Candidate(victims=scene.present, target=0)
    assert squares.starts(scene, free) == probed.free
    assert squares.num_starts(scene, most=1) == 1
    assert squares.num_starts(scene, most=99) == len(probed.free)


def test_a_square_lies_around_its_block_within_the_image(scene_of, planted, coloured, squares):
    scene = scene_of(planted("pixel"), coloured)
    candidate = Candidate(victims=(0,), target=1)
    shape = squares.started(1, image_size=(16, 16), seed=0, device=CPU)
    squares.seed_starts(shape, scene, [candidate])
    trigger = shape.trigger(shape.parameters)
    assert trigger.size_pixels == 25
    assert trigger.mask[3:8, 7:12].sum() == 25
    assert trigger.pattern[:, 5, 9].min() > 0.9


def test_the_square_shrinks_to_the_part_that_counts(scene_of, planted, coloured, squares):
    scene = scene_of(planted("pixel"), coloured)
    staged = StagedInversion(
        scene,
        squares,
        [Candidate(victims=(0,), target=1)],
        optimizer=ADAM,
        first_bound=squares.side,
    )
    sizes = []
    for side in (5, 3, 1):
        stage = Stage(name=str(side), steps=3, images=4, keep=1, bound=side / 16)
        trigger = staged.run(stage, [0])[0].trigger
        sizes.append(trigger.size_pixels)
        assert trigger.mask[5, 9] == 1
    assert sizes == [25, 9, 1]


@pytest.mark.parametrize("side", [0.0, 1.0])
def test_sides_that_are_no_shares_are_refused(probe, side):
    with pytest.raises(ValueError, match=r"side must lie in \(0, 1\)"):
        SquareKind(probe=probe, side=side)
    with pytest.raises(ValueError, match=r"bound must lie in \(0, 1\)"):
        SquareKind(probe=probe, side=0.5).check_bounds([side])
