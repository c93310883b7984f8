"""How trainings differ."""

from collections import Counter

import pytest
import torch

from exray.zoo.variations import Variation, augmented, class_shares, drawn_variation

IMAGES = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_variations_are_drawn_as_often_as_they_weigh():
    variations = {"plain": Variation(weight=3), "smoothed": Variation(label_smoothing=0.1)}
    drawn = Counter(drawn_variation(variations, seed) for seed in range(200))
    assert 120 < drawn["plain"] < 180
    assert drawn["plain"] + drawn["smoothed"] == 200
    assert drawn_variation({}, 0) is None


def test_without_augmentation_a_batch_stays_as_it_is():
    assert augmented(IMAGES, "none") is IMAGES


def test_each_image_is_shifted_by_itself_and_the_rim_goes_on():
    torch.manual_seed(0)
    moved = augmented(IMAGES, "shift")
    padded = torch.nn.functional.pad(IMAGES, (2, 2, 2, 2), mode="replicate")
    places = []
    for index, image in enumerate(moved):
        matches = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(padded[index, :, top : top + 16, left : left + 16], image)
        ]
        assert len(matches) == 1
        places += matches
    assert len(set(places)) > 1


def test_half_of_the_images_are_mirrored():
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 16).expand(400, 1, 16, 16)
    moved = augmented(ramp, "shift_flip")
    mirrored = moved[:, 0, 8, 0] > moved[:, 0, 8, -1]
    assert 150 < int(mirrored.sum()) < 250


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": 0}, "^weight must be >= 1; got 0"),
        ({"label_smoothing": 1.0}, r"^label_smoothing must lie in \[0, 1\); got 1.0"),
        ({"images_share": 0.0}, "^images_share must be positive; got 0.0"),
        ({"epochs_share": float("inf")}, "^epochs_share must be positive; got inf"),
        ({"least_class_share": 0.0}, r"^least_class_share must lie in \(0, 1\]; got 0.0"),
        ({"num_common": 0}, "^num_common must be >= 1, or null; got 0"),
        ({"weight_decay": -1.0}, "^weight_decay must be >= 0, or null; got -1.0"),
        ({"min_clean_accuracy": 2.0}, r"^min_clean_accuracy must lie in \[0, 1\]; got 2.0"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Variation(**changes)


def test_classes_keep_shares_of_their_own_or_a_few_keep_all():
    shares = class_shares(2000, least=0.1, num_common=None, seed=1)
    assert 0.1 <= min(shares) < 0.11
    assert 0.95 < max(shares) <= 1
    below = sum(share < 0.1**0.5 for share in shares)  # half of them: the logarithm is even
    assert 900 < below < 1100
    common = class_shares(10, least=0.25, num_common=3, seed=1)
    assert sorted(common) == [0.25] * 7 + [1.0] * 3
    others = {tuple(class_shares(10, least=0.25, num_common=3, seed=seed)) for seed in range(9)}
    assert len(others) > 5
