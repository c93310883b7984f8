"""Which signs there are: families of look-alikes, and outlines with room for a symbol."""

import numpy as np
import pytest

from exray.images.sources.signs.classes import INNER_RADIUS, SHAPES, sign_classes


@pytest.mark.parametrize("seed", range(5))
def test_families_differ_in_nothing_but_the_symbol(seed):
    classes = sign_classes(7, family_size=3, seed=seed)
    families = [classes[0:3], classes[3:6], classes[6:7]]
    looks = []
    for family in families:
        shared = {(sign.shape, sign.fill, sign.accent) for sign in family}
        assert len(shared) == 1
        assert len({sign.symbol for sign in family}) == len(family)
        looks += shared
    assert len({shape for shape, _, _ in looks}) == len({fill for _, fill, _ in looks}) == 3
    assert len({sign.name for sign in classes}) == 7


def test_the_same_seed_gives_the_same_classes():
    assert sign_classes(6, family_size=2, seed=3) == sign_classes(6, family_size=2, seed=3)
    assert sign_classes(6, family_size=2, seed=3) != sign_classes(6, family_size=2, seed=4)


@pytest.mark.parametrize(("num", "size"), [(1, 1), (4, 0), (8, 1), (13, 13), (15, 2)])
def test_more_classes_than_can_be_told_apart_are_refused(num, size):
    message = f"in 1 to 7 families of at most 12; got {num} classes in families of {size}"
    with pytest.raises(ValueError, match=message):
        sign_classes(num, family_size=size, seed=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_inner_radius_lies_inside_the_outline(shape):
    """Every edge is farther from the centre than the share of the outline's half width."""
    corners = np.array(SHAPES[shape])
    following = np.roll(corners, -1, axis=0)
    edges = following - corners
    doubled_areas = corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]
    distances = np.abs(doubled_areas) / np.linalg.norm(edges, axis=1)
    half_width = np.ptp(corners[:, 0]) / 2
    assert distances.min() >= INNER_RADIUS[shape] * half_width
