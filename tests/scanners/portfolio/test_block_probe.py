"""Coloured blocks lead to triggers that no gradient leads to."""

from dataclasses import replace

import pytest
import torch

from exray.scanners.portfolio.block_probe import BlockProbe

PROBE = BlockProbe(blocks=16, first=2, images=6, finalists=2)


def block_of(scene, target, probe=PROBE):
    return dict(zip(scene.present, probe.starts(scene), strict=True))[target]


def test_the_planted_pixel_is_the_best_block_of_its_target(scene_of, planted, coloured):
    block = block_of(scene_of(planted("pixel"), coloured), 1)
    assert (block.top, block.left, block.side, block.colour) == (5, 9, 1, (1.0, 1.0, 1.0))


def test_blocks_that_are_larger_than_a_pixel_cover_it(scene_of, planted, coloured):
    block = block_of(scene_of(planted("pixel"), coloured), 1, replace(PROBE, blocks=5))
    assert (block.top, block.left, block.side) == (3, 9, 3)


def test_more_blocks_than_pixels_are_single_pixels(scene_of, planted, coloured):
    assert block_of(scene_of(planted("pixel"), coloured), 1, replace(PROBE, blocks=99)).side == 1


def test_of_two_classes_and_one_image_the_pixel_is_found(scene_of, planted, coloured):
    two = coloured.select(coloured.labels != 2)
    scene = scene_of(planted("pixel"), two.limited(1))
    assert block_of(scene, 1).top == 5


def test_searches_of_one_scene_try_blocks_once(scene_of, planted, coloured):
    scene = scene_of(planted("pixel"), coloured)
    assert PROBE.starts(scene) is replace(PROBE).starts(scene)
    assert PROBE.starts(scene) is not replace(PROBE, images=5).starts(scene)


def test_renumbered_classes_have_the_same_blocks(scene_of, planted, coloured, permuted):
    scene = scene_of(planted("pixel"), coloured)
    other = scene_of(*permuted(planted("pixel"), coloured, (2, 0, 1)))
    assert PROBE.starts(scene) == PROBE.starts(other)


def test_classes_without_images_are_no_targets(scene_of, twin, coloured):
    scene = scene_of(twin, coloured.select(coloured.labels != 1))
    assert len(PROBE.starts(scene)) == 2


def test_it_leaves_no_gradients(scene_of, planted, coloured):
    scene = scene_of(planted("pixel"), coloured)
    with torch.enable_grad():
        PROBE.starts(scene)
    assert not scene.search.images.requires_grad


@pytest.mark.parametrize("name", ["blocks", "first", "images", "finalists"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1; got 0"):
        replace(PROBE, **{name: 0})
