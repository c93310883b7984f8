"""Shapes of SRI's search at a size for tests."""

from dataclasses import replace

import pytest

from exray.scanners.sri.polygons import Polygons
from exray.scanners.sri.recolourings import Recolourings
from exray.scanners.sri.shape import SearchSchedule

SCHEDULE = SearchSchedule(
    rounds=2, steps=61, images_per_class=3, learning_rate=0.03, betas=(0.5, 0.7)
)


@pytest.fixture(scope="session")
def polygons():
    """A patch shape."""
    return Polygons(
        schedule=SCHEDULE,
        free_steps=10,
        size_weight=1.0,
        spread_weight=0.2,
        likeness_weight=2.0,
        scale=0.2,
        rotation=30.0,
        offset=0.3,
    )


@pytest.fixture(scope="session")
def recolourings():
    """A recolouring shape."""
    return Recolourings(
        schedule=replace(SCHEDULE, rounds=3, steps=11),
        weight_decay=1e-4,
        diversity_weight=0.1,
        variation=0.2,
        hue=0.1,
    )


@pytest.fixture(scope="session")
def shortened():
    """Makes a shape with another schedule of few steps."""
    return lambda shape, **changes: replace(shape, schedule=replace(shape.schedule, **changes))
