"""What searches share: halves of the images, classes in the order of their images, leads."""

from dataclasses import replace

import pytest
import torch

from exray.images.samples import SampleSet, default_class_names
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.portfolio.scene import divided, leads_of, rows_of
from exray.triggers.patch import PatchTrigger


def numbered(counts):
    """Images of one pixel, which tell them apart."""
    labels = torch.cat([torch.full((count,), index) for index, count in enumerate(counts)])
    values = torch.arange(len(labels)) / 100
    images = values[:, None, None, None].expand(-1, 3, 2, 2).clone()
    return SampleSet(images=images, labels=labels, class_names=default_class_names(len(counts)))


def values(samples):
    return set(samples.images[:, 0, 0, 0].tolist())


@pytest.mark.parametrize("counts", [[6, 7, 20], [12, 6, 6]])
def test_halves_share_no_image_of_a_class_with_six(counts):
    search, held_out = divided(numbered(counts))
    assert not values(search) & values(held_out)
    assert len(search) + len(held_out) == sum(counts)
    assert held_out.counts() == [count // 2 for count in counts]


def test_a_class_with_fewer_images_has_all_in_both():
    samples = numbered([5, 8, 0, 1])
    for half in divided(samples):
        assert half.counts() == [5, 4, 0, 1]


def test_classes_are_taken_in_an_order_that_their_numbers_do_not_change(
    scene_of, twin, coloured, permuted
):
    order = (2, 0, 1)
    known = scene_of(twin, coloured).present
    others = scene_of(*permuted(twin, coloured, order)).present
    assert tuple(order[index] for index in others) == known


def test_classes_without_images_are_left_out(scene_of, twin, coloured):
    scene = scene_of(twin, coloured.select(coloured.labels != 1))
    assert sorted(scene.present) == [0, 2]


def test_a_triggers_success_is_that_on_held_out_images_of_its_victims(scene_of, planted, coloured):
    scene = scene_of(planted("square"), coloured)
    mask = torch.zeros(16, 16)
    mask[10:13, 2:5] = 1
    trigger = PatchTrigger(mask=mask, pattern=torch.ones(3, 16, 16))
    strength, asr = scene.quick_success(trigger, Candidate(victims=(0, 2), target=1))
    assert asr == 1
    by_victim = scene.quick_strengths(trigger, Candidate(victims=(0, 2), target=1))
    assert set(by_victim) == {0, 2}
    assert strength == pytest.approx(sum(by_victim.values()) / 2, abs=0.1)
    assert scene.quick_success(trigger, Candidate(victims=(0,), target=2))[1] == 0


def test_leads_are_margins_towards_a_class():
    logits = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    for target in range(4):
        others = [index for index in range(4) if index != target]
        expected = logits[:, target] - logits[:, others].amax(dim=1)
        torch.testing.assert_close(leads_of(logits, target), expected)


def test_rows_are_those_of_some_classes(coloured):
    assert torch.equal(rows_of(coloured, [0, 2]), coloured.labels != 1)
    assert not rows_of(replace(coloured), []).any()
