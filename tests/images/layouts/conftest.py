"""Pictures of classes, written in every way in which people have them."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pixels():
    """Nine images of 8 x 8, three per class: red, green and blue, none like another."""
    random = np.random.default_rng(0)
    images = random.integers(0, 40, (9, 8, 8, 3), dtype=np.uint8)
    for row in range(9):
        images[row, ..., row % 3] += 200
    return images


class Pictures:
    """Saves one of the images, and has them all."""

    def __init__(self, pixels):
        self.pixels = pixels

    def __call__(self, path, row):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.pixels[row]).save(path)
        return path


@pytest.fixture
def save(pixels):
    """Saves one of the images."""
    return Pictures(pixels)
