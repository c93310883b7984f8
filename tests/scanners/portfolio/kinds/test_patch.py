"""The bound of patches shrinks; blocks that were tried go into universal patches alone."""

import pytest
import torch

from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.universal import universal_candidate
from exray.scanners.portfolio.kinds.patch import PatchKind

CPU = torch.device("cpu")


@pytest.fixture
def probed(probe):
    return PatchKind(probe=probe)


def started(kind, count=1):
    return kind.started(count, image_size=(16, 16), seed=0, device=CPU)


@pytest.mark.parametrize(("progress", "pixels"), [(0.0, 64), (0.5, 38), (0.9, 18), (1.0, 13)])
def test_pixels_fall_linearly_and_states_count_at_the_last_number_alone(progress, pixels):
    kind = PatchKind()
    shape, objective = started(kind), kind.objective()
    kind.tighten(shape, objective, bounds=(0.25, 0.05), progress=progress)
    assert shape.num_pixels == pixels
    assert objective.bound == 13


def test_the_least_patch_is_one_pixel_and_a_wider_bound_is_taken_at_once():
    kind = PatchKind()
    shape, objective = started(kind), kind.objective()
    kind.tighten(shape, objective, bounds=(0.001, 0.0001), progress=0.0)
    assert shape.num_pixels == objective.bound == 1
    kind.tighten(shape, objective, bounds=(0.001, 0.05), progress=0.0)
    assert shape.num_pixels == objective.bound == 13


def test_universal_patches_start_from_the_best_block(scene_of, planted, coloured, probed):
    scene = scene_of(planted("pixel"), coloured)
    candidates = [universal_candidate(target, scene.present) for target in scene.present]
    shape = started(probed, 3)
    probed.seed_starts(shape, scene, candidates)
    shape.num_pixels = 1
    place = scene.present.index(1)
    trigger = shape.trigger([value[place : place + 1] for value in shape.parameters])
    assert trigger.mask[5, 9] == 1
    assert trigger.pattern[:, 5, 9].min() > 0.9


@pytest.mark.parametrize(
    "candidate",
    [Candidate(victims=(0,), target=1), Candidate(victims=(0, 1, 2), target=0)],
)
def test_pairs_and_patches_for_many_targets_do_not(scene_of, planted, coloured, probed, candidate):
    shape = started(probed)
    before = [value.clone() for value in shape.parameters]
    probed.seed_starts(shape, scene_of(planted("pixel"), coloured), [candidate])
    for old, new in zip(before, shape.parameters, strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_bounds_that_are_no_shares_are_refused(bound):
    with pytest.raises(ValueError, match=r"bound must lie in \(0, 1\), a share of the image"):
        PatchKind().check_bounds([0.5, bound])
