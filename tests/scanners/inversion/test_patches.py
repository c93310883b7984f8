"""Patches: what they start as, what they stamp, and what is left of them when hardened."""

import pytest
import torch

from exray.scanners.inversion.initialization import Start
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.patches import random_patches, square_patches

CANDIDATES = [Candidate(victims=(0,), target=k % 2 + 1, restart=k // 2) for k in range(4)]
STARTS = [Start(colour=(0.2, 0.5, 0.9), top=top, left=3, lead=0.0) for top in range(4)]
CPU = torch.device("cpu")


def squares(candidates=CANDIDATES, pattern="colour"):
    starts = STARTS[: len(candidates)]
    return square_patches(
        candidates, starts, side=4, image_size=(8, 9), pattern=pattern, seed=0, device=CPU
    )


@pytest.mark.parametrize("place", range(4))
def test_a_square_hardens_to_its_place_and_colour(place):
    trigger = squares().trigger([rows[[place]] for rows in squares().parameters])
    mask = torch.zeros(8, 9)
    mask[place : place + 4, 3:7] = 1
    assert torch.equal(trigger.mask, mask)
    colour = torch.tensor(STARTS[place].colour).view(3, 1, 1)
    torch.testing.assert_close(trigger.pattern, colour.expand(3, 8, 9))


@pytest.mark.parametrize("pattern", ["colour", "free"])
def test_images_are_blended_by_opacity_and_sizes_are_the_masks(pattern):
    patches, images = squares(pattern=pattern), torch.rand(2, 3, 8, 9)
    stamped = patches.stamp(torch.stack([patches.prepared(images)] * 4), patches.parameters)
    masks, patterns = (rows.sigmoid() for rows in (2 * logits for logits in patches.parameters))
    expected = images * (1 - masks[:, None]) + (patterns * masks)[:, None]
    torch.testing.assert_close(stamped.images, expected)
    torch.testing.assert_close(stamped.size, masks.sum(dim=(1, 2, 3)))
    assert stamped.measure.tolist() == stamped.counted.tolist() == [16] * 4


def test_a_free_pattern_differs_from_pixel_to_pixel_and_from_start_to_start():
    _, patterns = squares(pattern="free").parameters
    assert patterns[0].flatten(1).std(dim=1).min() > 0.05
    assert len({round(float(pattern.sum()), 4) for pattern in patterns}) == 4


def test_random_patches_do_not_depend_on_batch_mates_and_lie_within_zero_and_one():
    together = random_patches(CANDIDATES, image_size=(8, 9), seed=0, device=CPU)
    for place, candidate in enumerate(CANDIDATES):
        alone = random_patches([candidate], image_size=(8, 9), seed=0, device=CPU)
        for one, other in zip(alone.parameters, together.parameters, strict=True):
            assert torch.equal(one[0], other[place])
    values = torch.cat([torch.tanh(rows).flatten() for rows in together.parameters]) / 2 + 0.5
    assert 0 < float(values.min()) < 0.05
    assert 0.95 < float(values.max()) < 1
    other_seed = random_patches(CANDIDATES, image_size=(8, 9), seed=1, device=CPU)
    assert not torch.equal(other_seed.parameters[0], together.parameters[0])
