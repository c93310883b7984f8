"""Coloured blocks lead to triggers that no gradient leads to."""

from dataclasses import replace

import pytest
import torch


def best_of(scene, probe):
    """The best block of each target."""
    return {target: starts[0].block for target, starts in probe.results(scene).targets.items()}


def test_the_planted_pixel_is_the_best_block_of_its_target(scene_of, planted, coloured, probe):
    block = best_of(scene_of(planted("pixel"), coloured), probe)[1]
    assert (block.top, block.left, block.side, block.colour) == (5, 9, 1, (1.0, 1.0, 1.0))


def test_blocks_that_are_larger_than_a_pixel_cover_it(scene_of, planted, coloured, probe):
    block = best_of(scene_of(planted("pixel"), coloured), replace(probe, blocks=5))[1]
    assert (block.top, block.left, block.side) == (3, 9, 3)


def test_sides_are_tried_in_units_of_the_distance_of_blocks(scene_of, planted, coloured, probe):
    larger = replace(probe, blocks=8, sides=(1.5,))
    block = best_of(scene_of(planted("square"), coloured), larger)[1]
    assert (block.top, block.left, block.side) == (10, 2, 3)


def test_more_blocks_than_pixels_are_single_pixels(scene_of, planted, coloured, probe):
    many = replace(probe, blocks=99)
    assert best_of(scene_of(planted("pixel"), coloured), many)[1].side == 1


def test_the_pair_that_gives_way_comes_first_and_others_fall_behind(
    scene_of, planted, coloured, probe
):
    larger = replace(probe, blocks=8, sides=(1.5,))
    pairs = larger.results(scene_of(planted("pair"), coloured)).pairs
    first, second = list(pairs)[:2]
    assert first == (0, 1)
    assert pairs[first][0].strength > pairs[second][0].strength + 1
    rows, columns = pairs[first][0].block.place
    assert (rows.start, columns.start) == (10, 2)


def test_all_to_all_backdoors_give_way_to_free_targets(scene_of, planted, twin, coloured, probe):
    larger = replace(probe, blocks=8, sides=(1.5,))
    planted_start = larger.results(scene_of(planted("all_to_all"), coloured)).free[0]
    assert (planted_start.block.top, planted_start.block.left) == (10, 2)
    clean_start = larger.results(scene_of(twin, coloured)).free[0]
    assert planted_start.strength > clean_start.strength + 5


def test_starts_lie_apart_and_the_strongest_come_first(scene_of, planted, coloured, probe):
    for starts in probe.results(scene_of(planted("pixel"), coloured)).pairs.values():
        strengths = [start.strength for start in starts]
        assert strengths == sorted(strengths, reverse=True)
        places = [(start.block.top, start.block.left) for start in starts]
        for place, (top, left) in enumerate(places):
            assert all(max(abs(top - i), abs(left - j)) > 1 for i, j in places[:place])


def test_of_two_classes_and_one_image_the_pixel_is_found(scene_of, planted, coloured, probe):
    two = coloured.select(coloured.labels != 2)
    assert best_of(scene_of(planted("pixel"), two.limited(1)), probe)[1].top == 5


def test_with_fewer_passes_there_are_fewer_sides_and_then_fewer_victims(
    scene_of, planted, coloured, probe
):
    scene = scene_of(planted("pixel"), coloured)
    sides = replace(probe, sides=(1.0, 2.0))
    one = 8 * 8 * 8 * 3  # a quarter of the places, eight colours, three classes
    largest = {
        passes: max(
            start.block.side
            for starts in replace(sides, most_passes=passes).results(scene).pairs.values()
            for start in starts
        )
        for passes in (one, 2 * one)
    }
    assert largest == {one: 1, 2 * one: 2}
    few = replace(probe, most_passes=2 * one // 3).results(scene)
    assert {victim for victim, _ in few.pairs} == {scene.present[0], scene.present[2]}


def test_searches_of_one_scene_try_blocks_once(scene_of, planted, coloured, probe):
    scene = scene_of(planted("pixel"), coloured)
    assert probe.results(scene) is replace(probe).results(scene)
    assert probe.results(scene) is not replace(probe, images=5).results(scene)


def test_renumbered_classes_have_the_same_blocks(scene_of, planted, coloured, permuted, probe):
    order = (2, 0, 1)
    one = best_of(scene_of(planted("pixel"), coloured), probe)
    other = best_of(scene_of(*permuted(planted("pixel"), coloured, order)), probe)
    assert [one[old] for old in order] == [other[new] for new in range(3)]


def test_classes_without_images_are_no_targets(scene_of, twin, coloured, probe):
    scene = scene_of(twin, coloured.select(coloured.labels != 1))
    assert sorted(probe.results(scene).targets) == [0, 2]


def test_it_leaves_no_gradients(scene_of, planted, coloured, probe):
    scene = scene_of(planted("pixel"), coloured)
    with torch.enable_grad():
        probe.results(scene)
    assert not scene.search.images.requires_grad


@pytest.mark.parametrize(
    "name", ["blocks", "finalists", "pairs", "pair_images", "images", "most_passes"]
)
def test_counts_below_one_are_refused(probe, name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1; got 0"):
        replace(probe, **{name: 0})


@pytest.mark.parametrize("sides", [(), (1.0, 0.0)])
def test_sides_that_are_none_are_refused(probe, sides):
    with pytest.raises(ValueError, match="sides must be positive numbers; got"):
        replace(probe, sides=sides)


def test_progress_counts_the_passes_of_the_screen(scene_of, planted, coloured, probe):
    heard = []
    scene = replace(
        scene_of(planted("pixel"), coloured), progress=lambda *stage: heard.append(stage)
    )
    probe.results(scene)
    names, done, totals = zip(*heard, strict=True)
    assert (set(names), len(set(totals))) == ({"blocks"}, 1)
    assert list(done) == sorted(set(done))
    assert done[-1] == totals[0]
    probe.results(scene)  # of the same scene it is known
    assert len(heard) == len(names)
