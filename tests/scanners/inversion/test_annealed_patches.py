"""Patches of an exact number of pixels: what they start as, stamp, and are hardened to."""

import torch

from exray.scanners.inversion.annealed_patches import AnnealedPatches

CPU = torch.device("cpu")


def patches(count=3, seed=0):
    made = AnnealedPatches(count, image_size=(8, 9), seed=seed, device=CPU)
    made.num_pixels = 5
    return made


def test_all_candidates_start_alike_and_from_other_values_with_another_seed():
    scores, logits = patches().parameters
    assert torch.equal(scores[0], scores[2])
    assert torch.equal(logits, torch.zeros(3, 3, 8, 9))
    assert not torch.equal(scores, patches(seed=1).parameters[0])


def test_the_pixels_of_the_highest_scores_are_replaced_and_no_others():
    shape, images = patches(), torch.rand(2, 3, 8, 9)
    stamped = shape.stamp(torch.stack([shape.prepared(images)] * 3), shape.parameters)
    highest = shape.parameters[0][0].flatten().topk(5).indices
    flat = stamped.images[0].flatten(2)
    torch.testing.assert_close(flat[:, :, highest], torch.full((2, 3, 5), 0.5))
    others = [place for place in range(72) if place not in highest.tolist()]
    torch.testing.assert_close(flat[:, :, others], images.flatten(2)[:, :, others])
    assert stamped.measure.tolist() == stamped.counted.tolist() == [5, 5, 5]
    torch.testing.assert_close(stamped.size, torch.full((3,), 5.0))


def test_the_hardened_trigger_does_what_was_optimised():
    shape, images = patches(), torch.rand(2, 3, 8, 9)
    shape.parameters[1].normal_()
    rows = [value[1:2] for value in shape.parameters]
    trigger = shape.trigger(rows)
    assert trigger.size_pixels == 5
    stamped = shape.stamp(shape.prepared(images)[None], rows).images[0]
    torch.testing.assert_close(trigger.apply(images), stamped)


def test_every_score_has_a_gradient_through_the_hard_mask():
    shape = patches(1)
    rows = [value.clone().requires_grad_(True) for value in shape.parameters]
    shape.stamp(torch.rand(1, 2, 3, 8, 9), rows).images.sum().backward()
    assert (rows[0].grad != 0).all()
    assert int((rows[1].grad != 0).sum()) == 5 * 3  # a pattern matters where it is seen


def test_a_block_that_was_tried_is_what_the_patch_begins_with():
    shape = patches()
    shape.put(1, slice(2, 4), slice(3, 5), (1.0, 0.0, 0.5))
    shape.num_pixels = 4
    trigger = shape.trigger([value[1:2] for value in shape.parameters])
    mask = torch.zeros(8, 9)
    mask[2:4, 3:5] = 1
    assert torch.equal(trigger.mask, mask)
    red, green, blue = trigger.pattern[:, 2, 3].tolist()
    assert red > 0.9
    assert green < 0.1
    assert blue == 0.5
    other = shape.trigger([value[0:1] for value in shape.parameters])
    assert not torch.equal(other.mask, mask)
