"""Arms of pairs and of universal targets: their candidates, bounds and starts."""

import pytest

from exray.scanners.inversion.universal import UniversalSettings

pytestmark = pytest.mark.usefixtures("one_thread")

UNIVERSAL = UniversalSettings(share=0.0, max_size_share=0.5, images_per_step=6)


@pytest.fixture
def starter(scanners, planted, colours):
    """Starts arms on the network with the backdoor, whose pairs may cover a quarter."""
    return scanners["k_arm"](bound=0.25).starter(planted("k_arm"), colours)


def test_every_pair_has_an_arm_per_start_in_the_order_asked_for(starter):
    arms = starter.pair_arms([(0, 1), (2, 1), (0, 2)], restarts=2)
    assert [
        (*arm.candidate.victims, arm.candidate.target, arm.candidate.restart) for arm in arms
    ] == [(0, 1, 0), (0, 1, 1), (2, 1, 0), (2, 1, 1), (0, 2, 0), (0, 2, 1)]
    assert {(arm.bound, arm.images_per_step, arm.is_pair) for arm in arms} == {(64, 3, True)}
    assert [arm.place for arm in arms] == list(range(6))
    first, second = (arm.inversion.trigger(arm.place) for arm in arms[:2])
    assert first.size_pixels == second.size_pixels == 36  # a square of side 6
    assert first.mask.ne(second.mask).any() or first.pattern.ne(second.pattern).any()


def test_universal_arms_flip_every_other_class_within_their_own_bound(starter):
    arms = starter.universal_arms(UNIVERSAL)
    assert [(arm.candidate.victims, arm.candidate.target) for arm in arms] == [
        ((1, 2), 0),
        ((0, 2), 1),
        ((0, 1), 2),
    ]
    assert [(arm.bound, arm.images_per_step) for arm in arms] == [(128, 6)] * 3
    assert [len(pool) for pool in arms[0].inversion.pools] == [12] * 3


def test_between_two_classes_a_universal_arm_has_the_bound_of_a_pair(scanners, planted, colours):
    samples = colours.select(colours.labels != 0)
    arms = scanners["k_arm"](0.25).starter(planted("k_arm"), samples).universal_arms(UNIVERSAL)
    assert {arm.bound for arm in arms} == {64}
    assert all(arm.is_pair for arm in arms)


def test_targets_that_no_image_points_to_have_no_arm(scanners, twin, colours):
    starter = scanners["k_arm"]().starter(twin, colours)
    strict = UniversalSettings(share=1.0, max_size_share=0.5, images_per_step=6)
    assert starter.universal_arms(strict) == []
