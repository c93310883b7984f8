"""Stages: bounds are reached exactly, states beyond them do not count, the best goes on."""

from dataclasses import replace

import pytest
import torch

from exray.scanners.inversion.universal import universal_candidate
from exray.scanners.portfolio.stages import Stage, StagedInversion

pytestmark = pytest.mark.usefixtures("one_thread")

STAGE = Stage(name="wide", steps=10, images=6, keep=2, bound=0.05)


@pytest.fixture
def staged(planted, coloured, scene_of, searches):
    scene = scene_of(planted("square"), coloured)
    search = searches["square"]()
    return StagedInversion(
        scene,
        search.kind,
        [universal_candidate(target, scene.present) for target in scene.present],
        optimizer=search.inversion,
        first_bound=0.25,
    )


def test_triggers_have_exactly_as_many_pixels_as_the_bound_allows(staged):
    for bound in (0.05, 0.02, 0.001):
        reached = staged.run(replace(STAGE, bound=bound), range(3))
        sizes = {one.trigger.size_pixels for one in reached.values()}
        assert sizes == {max(1, round(bound * 256))}


def test_states_count_from_the_step_at_which_the_bound_is_reached(staged):
    counts = []
    inversion = staged.inversion
    staged._scene.__dict__["on_step"] = lambda: counts.append(
        (inversion.shape.num_pixels, bool(inversion.best_score.isfinite().all()))
    )
    staged.run(STAGE, range(3))
    pixels = [number for number, _ in counts]
    assert pixels == sorted(pixels, reverse=True)
    assert pixels[5:] == [13] * 5  # the bound is reached after three fifths of the steps
    assert min(pixels[:5]) > 13
    assert [counted for _, counted in counts] == [False] * 6 + [True] * 4


def test_the_strongest_candidate_comes_first_with_what_it_does_on_held_out_images(staged):
    reached = staged.run(replace(STAGE, steps=25, images=12), range(3))
    scores = staged.inversion.best_score
    assert list(reached) == sorted(reached, key=lambda place: -scores[place])
    best = next(iter(reached))
    assert staged.candidates[best].target == 1
    assert (reached[best].stage, reached[best].asr) == ("wide", 1)
    assert reached[best].strength > 5


def test_only_the_candidates_that_are_alive_are_optimised(staged):
    staged.run(STAGE, range(3))
    before = [value.clone() for value in staged.inversion.shape.parameters]
    assert list(staged.run(replace(STAGE, name="next", bound=0.04), [1])) == [1]
    for old, new in zip(before, staged.inversion.shape.parameters, strict=True):
        assert torch.equal(old[[0, 2]], new[[0, 2]])
        assert not torch.equal(old[1], new[1])


def test_more_images_than_there_are_take_no_image_twice(staged):
    staged.run(replace(STAGE, steps=1, images=100), range(3))
    assert staged.inversion.image_passes == 3 * 8  # four of each of two victims


@pytest.mark.parametrize("name", ["steps", "images", "keep"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1; got 0"):
        replace(STAGE, **{name: 0})
